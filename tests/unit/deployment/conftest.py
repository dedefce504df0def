"""A folder of secrets for each test, and what it takes to fill and to look through it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pdm_platform.contract.topics import Topics
from pdm_platform.deployment.devices import Accounts
from pdm_platform.deployment.secrets import Made, init
from pdm_platform.deployment.settings import DeploymentSettings
from pdm_platform.deployment.vault import Vault

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Site:
    """One plant's folder of secrets. `changes` are settings other than the defaults."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.settings = DeploymentSettings.model_validate({"secrets_dir": folder, **changes})
        self.folder = folder
        self.vault = Vault(self.settings)
        self.accounts = Accounts(self.vault, Topics())

    def init(self, now: datetime = NOW, root: str = "factory") -> Made:
        """`pdmctl secrets init` at this time."""
        return init(self.settings, Topics(root), now)

    def read(self, name: str) -> bytes:
        """Content of one file."""
        return (self.folder / name).read_bytes()

    def contents(self) -> dict[str, bytes]:
        """Every file but the lock, with its content."""
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file() and path.name != ".lock")
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def changed_since(self, before: dict[str, bytes]) -> set[str]:
        """Names of files that are new, gone or other than before."""
        after = self.contents()
        return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A plant whose secrets are made."""
    made = Site(tmp_path / "secrets")
    made.init()
    return made
