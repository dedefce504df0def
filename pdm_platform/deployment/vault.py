"""The folder of secrets: each file is there whole or not at all, and only the service that needs it can read it."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from pdm_platform.contract.errors import PdmError
from pdm_platform.deployment.settings import DeploymentSettings
from pdm_platform.stores.files import sync_folder

# uid that each service runs as in its container; None: whoever makes the secrets
OWNERS: Final[dict[str, int | None]] = {
    "ca": None,
    "mosquitto": 1883,
    "bridge": 10001,
    "inference": 10001,
    "dagster": 10001,
    "dagster-code": 10001,
    "simulator": 10001,
    "influxdb": 1000,
    "postgres": 999,
    "grafana": 472,
    "operator": None,
}
_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_LOCKED_WITHIN_S: Final = 30.0
_AS_ROOT: Final = (
    "Most of it belongs to the services, so this runs as root; in the stack: `docker compose run --rm setup pdmctl …`."
)


class SecretsError(PdmError):
    """A secret is missing, or cannot be read or written."""

    code = "PDM-SECRETS-001"


class Vault:
    """Secrets by name, `folder/file`, below one folder. Every method raises SecretsError, naming the file.

    As root, each file is given to the uid of the service that reads it; else it belongs to whoever runs this.
    """

    def __init__(self, settings: DeploymentSettings) -> None:
        self.root = settings.secrets_dir
        self._told_root = settings.told_dir
        self._operator_uid = settings.operator_uid

    def owner(self, folder: str) -> int:
        """The uid that should own a sub-folder and its files; of the top folder for ''."""
        uid = self._people() if folder in ("", "operator") else OWNERS[folder]
        return os.geteuid() if uid is None else uid

    def _people(self) -> int:
        """PDM_OPERATOR_UID; where it is not said, those to whom the folder for people belongs already."""
        if self._operator_uid is not None:
            return self._operator_uid
        for folder in (self.root / "operator", self.root):
            with _told(folder, "look at"), suppress(FileNotFoundError):
                return folder.stat().st_uid
        return os.geteuid()

    def group(self, folder: str) -> int:
        """The gid of a service's files: the number of its uid, as Mosquitto wants it. -1, as it is, for people's."""
        return OWNERS.get(folder) or -1

    def path(self, name: str) -> Path:
        """Where a secret lies."""
        return self.root / name

    def told(self, name: str) -> Path:
        """Where people find it."""
        return self._told_root / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process that changes the secrets away while the block runs."""
        lock = FileLock(self.root / ".lock", timeout=_LOCKED_WITHIN_S, mode=_FILE_MODE)
        with _told(self.root, "lock"):
            self._make_folder(self.root)
            try:
                lock.acquire()
            except Timeout:
                raise SecretsError(
                    f"{str(self.root)!r} is locked by another process for {_LOCKED_WITHIN_S:g} s already",
                    hint="Another `pdmctl secrets` or `pdmctl devices` is running. Wait for it, or see what keeps it.",
                ) from None
        try:
            yield
        finally:
            lock.release()

    def find(self, name: str) -> bytes | None:
        """A secret's content, None where there is none, or an empty one."""
        path = self.path(name)
        with _told(path, "read"):
            try:
                return path.read_bytes() or None
            except FileNotFoundError:
                return None

    def read(self, name: str) -> bytes:
        """A secret's content, which must be there."""
        found = self.find(name)
        if found is None:
            raise SecretsError(f"{str(self.path(name))!r} is missing", hint="`pdmctl secrets init` makes it.")
        return found

    def put(self, name: str, data: bytes) -> None:
        """Make or replace a secret in one step: mode 0600, its service's own where this runs as root."""
        path = self.path(name)
        temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        with _told(path, "write"):
            self.make_folder(str(Path(name).parent))
            try:
                self._write(temporary, data, Path(name).parts[0])
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(path.parent)

    def put_if_changed(self, name: str, data: bytes) -> bool:
        """Make or replace a secret unless it is so already; whether it was changed."""
        if (self.find(name) or b"") == data:
            return False
        self.put(name, data)
        return True

    def make_folder(self, name: str) -> None:
        """Make a sub-folder, mode 0700, where there is none."""
        with _told(self.path(name), "make"):
            self._make_folder(self.root)
            for folder in [*reversed(Path(name).parents), Path(name)][1:]:
                self._make_folder(self.path(str(folder)))

    def settle(self) -> list[str]:
        """Correct modes and, as root, owners of all there is. Returns what could not be put right, for people."""
        wrong: dict[str, int] = {}
        for path in [self.root, *sorted(self.root.rglob("*"))]:
            with _told(path, "own"):
                found = path.lstat()
                parts = path.relative_to(self.root).parts
                if stat.S_ISLNK(found.st_mode) or (parts and parts[0] not in OWNERS):
                    continue
                folder = parts[0] if parts else ""
                uid, gid = self.owner(folder), self.group(folder)
                if os.geteuid() == 0 and (found.st_uid != uid or gid not in (-1, found.st_gid)):
                    os.chown(path, uid, gid)
                elif found.st_uid != uid:
                    wrong[folder or str(self.root)] = uid
                mode = _FOLDER_MODE if stat.S_ISDIR(found.st_mode) else _FILE_MODE
                if stat.S_IMODE(found.st_mode) != mode and os.geteuid() in (0, found.st_uid):
                    path.chmod(mode)
        if not wrong:
            return []
        folders = ", ".join(f"{folder} (uid {uid})" for folder, uid in wrong.items())
        return [f"not root, so these do not belong to the containers' users: {folders}"]

    def _make_folder(self, path: Path) -> None:
        if path.is_dir():
            return
        path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            parts = path.relative_to(self.root).parts
            folder = parts[0] if parts else ""
            os.chown(path, self.owner(folder), self.group(folder))

    def _write(self, path: Path, data: bytes, folder: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _FILE_MODE)  # a strange umask must not leave the file unreadable for its service
            if os.geteuid() == 0:
                os.fchown(descriptor, self.owner(folder), self.group(folder))
            file.write(data)
            file.flush()
            os.fsync(descriptor)


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = _AS_ROOT if isinstance(error, PermissionError) else ""
        raise SecretsError(f"cannot {what} {str(path)!r}: {error.strerror or error}", hint=hint) from None
