"""The manifest of a model version, and the check that a folder holds what its manifest vouches for."""

import os
import re
import stat
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pdm_platform.contract.errors import IntegrityError, RegistryError
from pdm_platform.stores.files import read_regular, sha256_of

MANIFEST = "manifest.json"
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
# what may differ between two registrations of the same model
_NOT_CONTENT = ("version", "created_at", "parent_run")


class ManifestFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever registers a version says of it.

    feature_contract: hash of the feature contract; training_window: [start_ns, end_ns); data_fingerprint: SHA-256
    of the training rows; opset: ONNX domain to version; libraries: name to version.
    """

    feature_contract: str
    feature_names: list[str]
    classes: list[str]
    libraries: dict[str, str]
    training_window: tuple[int, int]
    data_fingerprint: str
    metrics: dict[str, float]
    parent_run: str
    opset: dict[str, int]


class Manifest(ManifestFacts, frozen=True, kw_only=True):
    """`manifest.json` of a version. files: name to SHA-256, all files but the manifest itself."""

    version: str
    created_at: str
    files: dict[str, str]


class Verified(NamedTuple):
    """A version whose every byte was checked. `contents` are the bytes that were checked, by file name."""

    manifest: Manifest
    manifest_sha256: str
    contents: dict[str, bytes]


def content_hash(manifest: dict[str, Any]) -> str:
    """SHA-256 over what makes a version what it is: files and facts, but not when or by which run.

    Taken over the plain JSON object, so that a field added later does not change the hash of older versions.
    """
    content = {key: value for key, value in manifest.items() if key not in _NOT_CONTENT}
    return sha256_of(msgspec.json.encode(content, order="sorted"))


def read_folder(folder: Path) -> dict[str, bytes]:
    """Content by name of a folder that holds nothing but regular files with plain names.

    Raises RegistryError naming what else was found: a symlink, a folder, a hidden file; OSError.
    """
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise RegistryError(f"{str(folder)!r} is not a folder")
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if not entry.is_file(follow_symlinks=False) or not _FILE_NAME.fullmatch(entry.name):
            raise RegistryError(f"{entry.path!r} is not a regular file with a plain name")
    return {entry.name: read_regular(Path(entry.path)) for entry in found}


def decode_manifest(data: bytes, path: Path) -> Manifest:
    """Raises IntegrityError naming the manifest's path and the field that is wrong."""
    try:
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IntegrityError(f"{str(path)!r}: {error}", hint=_HINT) from error


def verify_folder(folder: Path) -> Verified:
    """Read a version's folder once and check every byte against the manifest.

    Raises IntegrityError naming the file that is changed, missing, or not vouched for.
    """
    try:
        contents = read_folder(folder)
    except (RegistryError, OSError) as error:
        raise IntegrityError(f"version {folder.name}: {getattr(error, 'what', error)}", hint=_HINT) from error
    raw = contents.pop(MANIFEST, None)
    if raw is None:
        raise IntegrityError(f"{str(folder / MANIFEST)!r} is missing", hint=_HINT)
    manifest = decode_manifest(raw, folder / MANIFEST)
    named = manifest.version == folder.name
    if not named or not folder.name.endswith(f"-{content_hash(msgspec.json.decode(raw))[:8]}"):
        raise IntegrityError(f"{str(folder / MANIFEST)!r} is not the manifest of this version", hint=_HINT)
    for name in sorted(manifest.files.keys() | contents.keys()):
        if problem := _problem(manifest.files.get(name), contents.get(name)):
            raise IntegrityError(f"{str(folder / name)!r} {problem}", hint=_HINT)
    return Verified(manifest, sha256_of(raw), contents)


_HINT = "Do not use this version: roll back to another, or register the model again from its run."


def _problem(expected_sha256: str | None, content: bytes | None) -> str:
    if expected_sha256 is None:
        return "is not in the manifest"
    if content is None:
        return "is missing"
    return "" if sha256_of(content) == expected_sha256 else "was changed: its SHA-256 is not the manifest's"
