"""Lives that the small models learned from, and lives of pumps that they have not seen."""

import pytest

from pdm_platform.core.lives import Lives
from tests.small_fleet import steady_lives, together, wearing_lives


@pytest.fixture(scope="session")
def lives() -> Lives:
    """What the small models were trained on."""
    return together([wearing_lives(), steady_lives()])


@pytest.fixture(scope="session")
def unseen() -> Lives:
    """Other pumps that wear in the same ways."""
    return wearing_lives(seed=2)
