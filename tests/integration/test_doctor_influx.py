"""`pdmctl doctor` before a real InfluxDB: what it says of a store that works, and of each way in which it does not."""

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from pdm_platform.local import doctor
from tests.servers.influxd import Influxd

pytestmark = pytest.mark.integration


@pytest.fixture
def prefix(influxd: Influxd) -> str:
    name = f"doctor-{secrets.token_hex(4)}"
    influxd.create_buckets(name)
    return name


@pytest.fixture
def asked(
    influxd: Influxd, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[doctor.Diagnosis, str]]:
    """Its finding on the store with these settings, and the path of the token file it was given."""
    # what it finds about the broker and the registry has tests of its own, and takes seconds
    monkeypatch.setattr(doctor, "_broker", lambda: "")

    def ask(*, url: str = "", token: str | None = influxd.operator_token) -> tuple[doctor.Diagnosis, str]:
        file = tmp_path / "store-token"
        monkeypatch.setenv("PDM_HOME", str(tmp_path))
        monkeypatch.setenv("PDM_STORE_URL", url or influxd.store_url(prefix))
        monkeypatch.delenv("PDM_STORE_TOKEN", raising=False)
        monkeypatch.delenv("PDM_STORE_TOKEN_FILE", raising=False)
        if token is not None:
            file.write_text(f"{token}\n")
            monkeypatch.setenv("PDM_STORE_TOKEN_FILE", str(file))
        [found] = [finding for finding in doctor.diagnose() if finding.name == "store"]
        return found, str(file)

    return ask


def test_a_store_that_works_is_told_with_what_it_holds(
    influxd: Influxd, prefix: str, asked: Callable[..., tuple[doctor.Diagnosis, str]]
) -> None:
    influxd.write_lines(f"{prefix}_raw", "pump_telemetry,device_id=p1 rpm=1,present=128i 1")

    found, _file = asked()

    assert found.fine
    assert found.seen == f"{influxd.store_url(prefix)}: 1 pump_telemetry, 0 pump_labels, 0 pump_prediction"


def test_a_wrong_token_is_told_with_the_file_it_comes_from_and_not_shown(
    influxd: Influxd, asked: Callable[..., tuple[doctor.Diagnosis, str]]
) -> None:
    found, file = asked(token="a-wrong-token")

    assert (found.fine, found.seen) == (False, "PDM-STORE-003 InfluxDB refused the token (401): unauthorized access")
    assert found.advice == (
        f"PDM_STORE_TOKEN_FILE, the file {file!r}: {influxd.url} does not know this token."
        " `pdmctl store init` makes tokens."
    )


@pytest.mark.parametrize(("token", "seen"), [(None, "none is set"), ("", "store-token', is empty")])
def test_a_missing_token_is_told_with_where_to_set_it(
    asked: Callable[..., tuple[doctor.Diagnosis, str]], token: str | None, seen: str
) -> None:
    found, _file = asked(token=token)

    assert not found.fine
    assert found.seen.startswith("PDM-CONFIG-001 the store at http")
    assert found.seen.endswith(seen)
    assert "PDM_STORE_TOKEN_FILE" in found.advice


def test_missing_buckets_and_a_wrong_organisation_are_told_apart(
    influxd: Influxd, prefix: str, asked: Callable[..., tuple[doctor.Diagnosis, str]]
) -> None:
    no_buckets, _file = asked(url=influxd.store_url("nobody-made-it"))
    no_organisation, _file = asked(url=influxd.store_url(prefix).replace(f"org={influxd.org}", "org=nobody"))

    assert "cannot read bucket 'nobody-made-it_raw': it does not exist, or the token may not read it" in no_buckets.seen
    assert "`pdmctl store init` makes the buckets" in no_buckets.advice
    assert no_organisation.seen == 'PDM-STORE-001 cannot use the store: organization name "nobody" not found'
    assert no_organisation.advice == f"`org` in PDM_STORE_URL must be one that {influxd.url} has."


def test_a_server_that_is_down_is_told_with_its_address(asked: Callable[..., tuple[doctor.Diagnosis, str]]) -> None:
    found, _file = asked(url="influxdb://127.0.0.1:1/pdm?org=pdm")

    assert not found.fine
    assert found.seen.startswith("PDM-STORE-001 cannot use the store: InfluxDB at http://127.0.0.1:1: ")
    assert found.seen.endswith("Connection refused")
    assert found.advice == "Is it running, and is PDM_STORE_URL right?"
