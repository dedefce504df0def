import pytest

from pdm_platform.contract import errors
from pdm_platform.contract.errors import PdmError

TREE = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, PdmError)]


def test_an_error_shows_its_code_what_failed_and_what_to_do_next() -> None:
    error = errors.StoreError("disk is full", hint="Free some space.")

    assert str(error) == "PDM-STORE-001 disk is full\n  Free some space."


def test_an_error_without_a_hint_is_one_line() -> None:
    assert str(errors.PayloadError("no")) == "PDM-PAYLOAD-001 no"


def test_a_code_belongs_to_one_error() -> None:
    codes = [error.code for error in TREE]

    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("error", TREE)
def test_every_error_says_what_it_stands_for(error: type[PdmError]) -> None:
    assert error.__doc__
    assert error.code.startswith("PDM-")
