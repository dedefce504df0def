"""One stack for all tests of this folder: started by `make up`, removed at the end with its data."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stack.stack import ComposeStack, tell

SWITCH = "PDM_TEST_STACK"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests need a Docker engine and a quarter of an hour: only `make test-stack` asks for them."""
    mine = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in mine:
        item.add_marker(pytest.mark.stack)
        # each bounds what it waits for
        item.add_marker(pytest.mark.timeout(1_800))
        if not os.environ.get(SWITCH):
            item.add_marker(pytest.mark.skip(reason=f"the whole stack in containers: `make test-stack` ({SWITCH}=1)"))
        elif shutil.which("docker") is None:
            item.add_marker(pytest.mark.skip(reason="no Docker here"))


@contextmanager
def new_stack(folder: Path) -> Iterator[ComposeStack]:
    """An empty project; at the end its containers, networks, volumes and secrets are removed."""
    stack = ComposeStack(f"pdmtest{uuid.uuid4().hex[:8]}", folder / "secrets")
    try:
        yield stack
    finally:
        if os.environ.get("PDM_TEST_STACK_KEEP"):
            tell(f"kept: project {stack.project}, secrets in {stack.secrets}")
        else:
            # its files belong to many users, which only a container may remove
            stack.compose("run", "--rm", "--no-deps", "-T", "files", "find", "/secrets", "-mindepth", "1", "-delete")
            stack.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that the containers may mount, removed at the end."""
    made = Path(tempfile.mkdtemp(prefix="pdm-stack-"))
    yield made
    if not os.environ.get("PDM_TEST_STACK_KEEP"):
        shutil.rmtree(made)


@pytest.fixture(scope="session")
def stack(folder: Path) -> Iterator[ComposeStack]:
    """The stack that the tests of this folder use one after the other."""
    with new_stack(folder) as made:
        yield made
