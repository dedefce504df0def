"""A platform of its own for each test, new or with a model in production."""

import shutil
from pathlib import Path

import pytest

from pdm_platform.core import training
from pdm_platform.core.comparison import Compared
from pdm_platform.defs import train as train_stage
from tests.small_fleet import FEW_TREES
from tests.world import FirstRun, World, enter, first_run

TIMEOUT_S = 600  # the flow takes a minute of computing, and whoever asks first for `first` waits for it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """The whole flow, run once."""
    return first_run(tmp_path_factory.getbasetemp() / "first")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A platform in which nothing has happened yet."""
    return enter(tmp_path / "home", monkeypatch)


@pytest.fixture
def trained(first: FirstRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of the platform in which the whole flow has run once."""
    home = tmp_path / "home"
    shutil.copytree(first.home, home)
    return enter(home, monkeypatch)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of few trees, chosen without a comparison: for tests of what becomes of a model, however good it is."""
    monkeypatch.setattr(train_stage, "compare", lambda *_, **__: [Compared("few trees", 0.0, 0.0, 0.0, FEW_TREES)])
    monkeypatch.setattr(training, "_LIFE_TREES", FEW_TREES)
