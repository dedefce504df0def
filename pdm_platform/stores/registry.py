"""The model registry: immutable versions, a production pointer swapped in one step, an append-only ledger."""

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from filelock import FileLock

from pdm_platform.contract.errors import IntegrityError, PayloadError, RegistryError
from pdm_platform.contract.payloads import ModelPointer, decode
from pdm_platform.contract.times import iso_of
from pdm_platform.stores.files import read_regular, replace_file, sha256_of, sync_folder, to_json, write_file
from pdm_platform.stores.ledger import Action, LedgerEntry, append, previous, read_ledger
from pdm_platform.stores.manifest import (
    MANIFEST,
    Manifest,
    ManifestFacts,
    Verified,
    content_hash,
    decode_manifest,
    read_folder,
    verify_folder,
)

__all__ = ["Action", "LedgerEntry", "Manifest", "ManifestFacts", "Registry", "Verified"]

LOCK_TIMEOUT_S = 60
WHATEVER = "*"  # no version is named so
_VERSION = re.compile(r"v\d{8}T\d{6}-[0-9a-f]{8}", re.ASCII)


class Registry:
    """`versions/{version}/`, `production.json`, `ledger.jsonl` below one folder. Reading needs no right to write."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._versions = self._root / "versions"
        self._pointer = self._root / "production.json"
        self._ledger = self._root / "ledger.jsonl"

    def register(self, staged: Path, facts: ManifestFacts) -> Manifest:
        """Copy the staged files into a new version, which nothing changes afterwards.

        The same files and facts (but for `parent_run`) are the same version: it is verified and returned, unless it
        has been damaged since; then this makes a new one.
        Raises RegistryError naming a staged file that is not a plain file.
        """
        with self._locked("register in"):
            contents = read_folder(staged)
            if not contents or MANIFEST in contents:
                raise RegistryError(f"{str(staged)!r} must hold files, but no {MANIFEST}")
            files = {name: sha256_of(content) for name, content in contents.items()}
            content = content_hash(msgspec.json.decode(to_json({**msgspec.structs.asdict(facts), "files": files})))
            if known := self._same(content, files):
                return known
            return self._add(contents, _manifest(facts, files, content))

    def versions(self) -> list[Manifest]:
        """Manifests of all versions, newest first; read, not verified. Raises IntegrityError, RegistryError."""
        with self._named("read"):
            folders = [path for path in self._versions.glob("v*") if _VERSION.fullmatch(path.name)]
            manifests = [decode_manifest(read_regular(path / MANIFEST), path / MANIFEST) for path in folders]
        return sorted(manifests, key=lambda manifest: (manifest.created_at, manifest.version), reverse=True)

    def folder(self, version: str) -> Path:
        """Folder of a version. Raises RegistryError where it is not a version's name or there is none."""
        if not _VERSION.fullmatch(version) or not (self._versions / version).is_dir():
            raise RegistryError(
                f"there is no model version {version[:200]!r}", hint="`pdmctl models list` prints the versions."
            )
        return self._versions / version

    def verify(self, version: str) -> Manifest:
        """Check every byte of a version. Raises IntegrityError naming the file; RegistryError where there is none."""
        return verify_folder(self.folder(version)).manifest

    def load(self, pointer: ModelPointer) -> Verified:
        """What a service may use of the version that `pointer` names: the very bytes that were checked.

        Raises IntegrityError naming the file, also where the manifest is not the one that was promoted;
        RegistryError where there is no such version.
        """
        verified = verify_folder(self.folder(pointer.version))
        if verified.manifest_sha256 != pointer.manifest_sha256:
            path = self._versions / pointer.version / MANIFEST
            raise IntegrityError(f"{str(path)!r} is not the manifest that was promoted: its SHA-256 differs")
        return verified

    def production(self) -> ModelPointer | None:
        """Which version is in production; None before the first promotion. Raises IntegrityError, RegistryError."""
        with self._named("read"):
            try:
                return decode(ModelPointer, read_regular(self._pointer))
            except FileNotFoundError:
                return None
            except PayloadError as error:
                raise IntegrityError(
                    f"{str(self._pointer)!r}: {error.what}", hint="Restore it from a backup, or remove it and promote."
                ) from error

    def production_manifest(self) -> Manifest | None:
        """Manifest of the version in production, verified; None before the first promotion. Raises as `load`."""
        pointer = self.production()
        return None if pointer is None else self.load(pointer).manifest

    def verified(self, version: str) -> Verified:
        """A version's bytes, each checked. Raises as `verify`."""
        return verify_folder(self.folder(version))

    def promote(
        self,
        version: str,
        *,
        actor: str,
        reason: str,
        evidence: dict[str, float | None] | None = None,
        beside: str | None = WHATEVER,
    ) -> ModelPointer:
        """Put a version into production once it is verified. In production already, nothing changes.

        evidence: what was observed of each gate, for the ledger. beside: the version in production for which that was
        decided, None for none.

        Raises RegistryError where there is no such version, actor or reason is empty, or another version than `beside`
        has come into production meanwhile; IntegrityError.
        """
        with self._locked("promote in"):
            verified = verify_folder(self.folder(version))
            now = self.production()
            serving = None if now is None else now.version
            if beside not in (WHATEVER, serving):
                raise RegistryError(
                    f"{version} was to replace {beside or 'no version'}, but {serving or 'none'} serves by now",
                    hint="Materialise 'model_evaluation' again: it measures the version beside the one that serves.",
                )
            if now is not None and now.version == version:
                self.load(now)
                return now
            return self._move(Action.PROMOTE, now, verified, actor, reason, evidence or {})

    def refuse(self, version: str, *, actor: str, reason: str, evidence: dict[str, float | None]) -> None:
        """Note in the ledger that a version was not promoted, and why. Raises as `promote`."""
        with self._locked("refuse in"):
            append(
                self._ledger,
                self._entry(Action.REFUSE, self.production(), self.verified(version), actor, reason, evidence),
            )

    def rollback(self, *, actor: str, reason: str) -> ModelPointer:
        """Take back the last promotion: the version before it is verified and put into production again.

        Raises RegistryError where there is none before; IntegrityError, also where it changed since it was promoted.
        """
        with self._locked("roll back in"):
            now = self.production()
            entry = None if now is None else previous(read_ledger(self._ledger), now.version)
            if entry is None:
                raise RegistryError(
                    "there is no version before the one in production", hint="`pdmctl models promote` puts one there."
                )
            then = ModelPointer(version=entry.to_version, manifest_sha256=entry.manifest_sha256, promoted_at=entry.at)
            return self._move(Action.ROLLBACK, now, self.load(then), actor, reason, {})

    def ledger(self) -> list[LedgerEntry]:
        """Every change of production, oldest first. Raises IntegrityError, RegistryError."""
        with self._named("read"):
            return read_ledger(self._ledger)

    def _move(
        self,
        action: Action,
        now: ModelPointer | None,
        verified: Verified,
        actor: str,
        reason: str,
        evidence: dict[str, float | None],
    ) -> ModelPointer:
        entry = self._entry(action, now, verified, actor, reason, evidence)
        pointer = ModelPointer(version=entry.to_version, manifest_sha256=entry.manifest_sha256, promoted_at=entry.at)
        append(self._ledger, entry)  # first: nothing is ever in production of which the ledger does not know
        replace_file(self._pointer, to_json(pointer))
        return pointer

    def _entry(
        self,
        action: Action,
        now: ModelPointer | None,
        verified: Verified,
        actor: str,
        reason: str,
        evidence: dict[str, float | None],
    ) -> LedgerEntry:
        if not actor.strip() or not reason.strip():
            raise RegistryError(f"who and why are needed: actor {actor!r}, reason {reason!r}")
        return LedgerEntry(
            at=iso_of(time.time_ns()),
            actor=actor,
            action=action,
            reason=reason,
            from_version=None if now is None else now.version,
            to_version=verified.manifest.version,
            manifest_sha256=verified.manifest_sha256,
            evidence=evidence,
        )

    def _same(self, content: str, files: dict[str, str]) -> Manifest | None:
        for path in sorted(self._versions.glob(f"v*-{content[:8]}")):
            try:
                known = self.verify(path.name)
            except RegistryError:  # damaged, or not a version: what is registered now does not depend on it
                continue
            if known.files == files:
                return known
        return None

    def _add(self, contents: dict[str, bytes], manifest: Manifest) -> Manifest:
        target, incoming = self._versions / manifest.version, self._versions / f".incoming-{secrets.token_hex(8)}"
        encoded = to_json(manifest)
        decode_manifest(encoded, target / MANIFEST)  # a NaN metric would be written as null and never be read again
        incoming.mkdir()
        try:
            for name, content in {**contents, MANIFEST: encoded}.items():
                write_file(incoming / name, content)
                (incoming / name).chmod(0o444)
            sync_folder(incoming)
            incoming.rename(target)
        except BaseException:
            shutil.rmtree(incoming, ignore_errors=True)
            raise
        target.chmod(0o555)
        sync_folder(self._versions)
        return manifest

    @contextmanager
    def _locked(self, action: str) -> Iterator[None]:
        with self._named(action):
            self._versions.mkdir(parents=True, exist_ok=True)
            with FileLock(self._root / ".lock", timeout=LOCK_TIMEOUT_S):
                for left in self._versions.glob(".incoming-*"):  # of a process that was killed
                    shutil.rmtree(left)
                yield

    @contextmanager
    def _named(self, action: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RegistryError(
                f"cannot {action} registry {str(self._root)!r}: {error}", hint="`pdmctl doctor` tests the registry."
            ) from error


def _manifest(facts: ManifestFacts, files: dict[str, str], content: str) -> Manifest:
    now_ns = time.time_ns()
    stamp = datetime.fromtimestamp(now_ns // 1_000_000_000, tz=UTC).strftime("%Y%m%dT%H%M%S")
    return Manifest(
        **msgspec.structs.asdict(facts), version=f"v{stamp}-{content[:8]}", created_at=iso_of(now_ns), files=files
    )
