"""The registry: immutable versions, one production pointer, a ledger. It trusts nothing that it has not hashed."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pdm_platform.contract.errors import IntegrityError, RegistryError
from pdm_platform.contract.payloads import ModelPointer
from pdm_platform.stores.files import sha256_of
from pdm_platform.stores.registry import Action, Manifest, ManifestFacts, Registry

WHO_AND_WHY: dict[str, Any] = {"actor": "ana", "reason": "better on unseen pumps"}


def facts(**changes: Any) -> ManifestFacts:
    given: dict[str, Any] = {
        "feature_contract": "f" * 64,
        "feature_names": ["rpm"],
        "classes": ["HEALTHY", "WARNING"],
        "libraries": {"onnx": "1.19"},
        "training_window": (0, 10),
        "data_fingerprint": "d" * 64,
        "metrics": {"macro_f1": 0.9},
        "parent_run": "run-1",
        "opset": {"": 18},
    }
    return ManifestFacts(**{**given, **changes})


def staged(folder: Path, **contents: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in (contents or {"state": b"model"}).items():
        (folder / f"{name}.onnx").write_bytes(content)
    return folder


def registered(tmp_path: Path, content: bytes = b"model", **changes: Any) -> tuple[Registry, Manifest]:
    registry = Registry(tmp_path / "registry")
    folder = staged(tmp_path / f"staged-{content.hex()}", state=content, health=b"health")
    return registry, registry.register(folder, facts(**changes))


def three_versions(tmp_path: Path) -> tuple[Registry, str, str, str]:
    first, second, third = (registered(tmp_path, content)[1].version for content in (b"1", b"2", b"3"))
    return Registry(tmp_path / "registry"), first, second, third


def writable(folder: Path) -> Path:
    """What someone with the owner's rights can do."""
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder


# -- register


def test_a_registered_version_holds_its_files_and_verifies(tmp_path: Path) -> None:
    registry, manifest = registered(tmp_path)

    assert sorted(manifest.files) == ["health.onnx", "state.onnx"]
    assert registry.verify(manifest.version) == manifest
    assert (registry.folder(manifest.version) / "state.onnx").read_bytes() == b"model"
    assert (manifest.metrics, manifest.training_window) == ({"macro_f1": 0.9}, (0, 10))


def test_the_same_content_is_the_same_version_whatever_run_made_it(tmp_path: Path) -> None:
    registry, first = registered(tmp_path)

    _, second = registered(tmp_path, parent_run="run-2")

    assert second == first
    assert registry.versions() == [first]


@pytest.mark.parametrize("changed", [{"training_window": (0, 11)}, {"metrics": {"macro_f1": 0.8}}])
def test_other_facts_are_another_version(tmp_path: Path, changed: dict[str, Any]) -> None:
    registry, first = registered(tmp_path)

    _, second = registered(tmp_path, **changed)

    assert [manifest.version for manifest in registry.versions()] == [second.version, first.version]


def test_a_version_is_read_only(tmp_path: Path) -> None:
    registry, manifest = registered(tmp_path)
    folder = registry.folder(manifest.version)

    assert {path.stat().st_mode & 0o222 for path in (folder, *folder.iterdir())} == {0}


def test_what_is_staged_may_change_after_it_was_registered(tmp_path: Path) -> None:
    registry, manifest = registered(tmp_path)

    staged(tmp_path / f"staged-{b'model'.hex()}", state=b"other")

    assert registry.verify(manifest.version) == manifest


def with_symlink(folder: Path) -> None:
    (folder / "extra.onnx").symlink_to("/etc/hostname")


def with_folder(folder: Path) -> None:
    (folder / "reports").mkdir()


def with_hidden_file(folder: Path) -> None:
    (folder / ".hidden").write_text("x")


def with_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.onnx")


def with_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{}")


@pytest.mark.parametrize("spoil", [with_symlink, with_folder, with_hidden_file, with_pipe, with_manifest])
def test_only_plain_files_are_registered(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = staged(tmp_path / "staged")
    spoil(folder)
    registry = Registry(tmp_path / "registry")

    with pytest.raises(RegistryError, match=r"extra\.onnx|reports|\.hidden|pipe\.onnx|manifest\.json"):
        registry.register(folder, facts())

    assert registry.versions() == []


def test_nothing_staged_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    for folder in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(RegistryError, match=folder.name):
            Registry(tmp_path / "registry").register(folder, facts())


def test_a_metric_that_is_not_a_number_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="metrics"):
        registered(tmp_path, metrics={"macro_f1": float("nan")})

    assert Registry(tmp_path / "registry").versions() == []


def test_what_a_killed_registration_left_is_no_version_and_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "registry" / "versions" / ".incoming-0011"
    left.mkdir(parents=True)
    (left / "state.onnx").write_bytes(b"half")

    registry, manifest = registered(tmp_path)

    assert registry.versions() == [manifest]
    assert not left.exists()


# -- verify


def changed_byte(folder: Path) -> None:
    (folder / "state.onnx").write_bytes(b"moDel")


def missing_file(folder: Path) -> None:
    (folder / "state.onnx").unlink()


def symlinked_file(folder: Path) -> None:
    original = folder / "state.onnx"
    original.rename(folder.parent.parent / "elsewhere")
    original.symlink_to(folder.parent.parent / "elsewhere")  # the same bytes, but changeable from outside


def extra_file(folder: Path) -> None:
    (folder / "state.onnx.so").write_bytes(b"x")


def extra_folder(folder: Path) -> None:
    (folder / "state.onnx.d").mkdir()


@pytest.mark.parametrize("spoil", [changed_byte, missing_file, symlinked_file, extra_file, extra_folder])
def test_a_version_that_is_not_what_its_manifest_says_is_refused_naming_the_file(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    registry, manifest = registered(tmp_path)
    spoil(writable(registry.folder(manifest.version)))

    with pytest.raises(IntegrityError, match=r"state\.onnx"):
        registry.verify(manifest.version)
    with pytest.raises(IntegrityError, match=r"state\.onnx"):
        registry.promote(manifest.version, **WHO_AND_WHY)

    assert registry.production() is None


def test_every_byte_of_a_version_counts(tmp_path: Path) -> None:
    registry, manifest = registered(tmp_path)
    folder = writable(registry.folder(manifest.version))

    for path in folder.iterdir():
        whole = path.read_bytes()
        for position in range(len(whole)):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
            with pytest.raises(IntegrityError, match=path.name):
                registry.load(pointer_to(manifest, registry_hash_of(whole, path)))
        path.write_bytes(whole)
    assert registry.verify(manifest.version) == manifest


def registry_hash_of(whole: bytes, path: Path) -> str:
    manifest = whole if path.name == "manifest.json" else (path.parent / "manifest.json").read_bytes()
    return sha256_of(manifest)


def pointer_to(manifest: Manifest, manifest_sha256: str) -> ModelPointer:
    return ModelPointer(version=manifest.version, manifest_sha256=manifest_sha256, promoted_at="2025-01-01T00:00:00Z")


def test_a_manifest_rewritten_to_fit_another_model_is_refused(tmp_path: Path) -> None:
    registry, manifest = registered(tmp_path)
    folder = writable(registry.folder(manifest.version))
    (folder / "state.onnx").write_bytes(b"evil")
    files = {**manifest.files, "state.onnx": sha256_of(b"evil")}
    (folder / "manifest.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, files=files)))

    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        registry.verify(manifest.version)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[1]", b"[" * 100_000])
def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    registry, manifest = registered(tmp_path)
    (writable(registry.folder(manifest.version)) / "manifest.json").write_bytes(content)

    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        registry.verify(manifest.version)
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        registry.versions()


def test_a_version_folder_that_is_a_symlink_is_refused(tmp_path: Path) -> None:
    registry, manifest = registered(tmp_path)
    folder = registry.folder(manifest.version)
    folder.chmod(0o755)
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside")

    with pytest.raises(IntegrityError, match=manifest.version):
        registry.verify(manifest.version)


@pytest.mark.parametrize(
    "version",
    ["", ".", "..", "../versions", "/etc", "v20250101T000000-0123abcd/..", "v20250101T000000-0123abcd\n", "v1\0"],
)
def test_a_name_that_is_no_version_never_reaches_the_file_system(tmp_path: Path, version: str) -> None:
    registry, _ = registered(tmp_path)

    for ask in (registry.verify, registry.folder, lambda name: registry.promote(name, **WHO_AND_WHY)):
        with pytest.raises(RegistryError, match="there is no model version"):
            ask(version)


def test_a_damaged_version_does_not_stop_the_same_model_from_being_registered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, first = registered(tmp_path)
    changed_byte(writable(registry.folder(first.version)))
    later_ns = time.time_ns() + 2_000_000_000  # a version's name tells seconds apart
    monkeypatch.setattr("pdm_platform.stores.registry.time.time_ns", lambda: later_ns)

    _, second = registered(tmp_path)

    assert second.version != first.version
    assert registry.verify(second.version) == second


# -- promote, roll back


def test_before_the_first_promotion_there_is_no_production(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "nothing")

    assert (registry.production(), registry.production_manifest(), registry.ledger(), registry.versions()) == (
        None,
        None,
        [],
        [],
    )
    with pytest.raises(RegistryError, match="no version before"):
        registry.rollback(**WHO_AND_WHY)


def test_a_promotion_moves_the_pointer_and_says_so_in_the_ledger(tmp_path: Path) -> None:
    registry, first, second, _ = three_versions(tmp_path)

    registry.promote(first, **WHO_AND_WHY)
    pointer = registry.promote(second, actor="ben", reason="less drift")

    assert registry.production() == pointer
    assert pointer.version == second
    assert registry.production_manifest() == registry.verify(second)
    assert [
        (entry.actor, entry.action, entry.reason, entry.from_version, entry.to_version) for entry in registry.ledger()
    ] == [
        ("ana", Action.PROMOTE, "better on unseen pumps", None, first),
        ("ben", Action.PROMOTE, "less drift", first, second),
    ]


def test_loading_gives_the_bytes_that_were_checked(tmp_path: Path) -> None:
    registry, manifest = registered(tmp_path)

    loaded = registry.load(registry.promote(manifest.version, **WHO_AND_WHY))

    assert loaded.manifest == manifest
    assert loaded.contents == {"state.onnx": b"model", "health.onnx": b"health"}


def test_promoting_what_is_in_production_changes_nothing(tmp_path: Path) -> None:
    registry, first, *_ = three_versions(tmp_path)
    pointer = registry.promote(first, **WHO_AND_WHY)

    assert registry.promote(first, actor="ben", reason="again") == pointer
    assert len(registry.ledger()) == 1


@pytest.mark.parametrize("missing", [{"actor": " "}, {"reason": ""}])
def test_a_promotion_without_who_or_why_is_refused(tmp_path: Path, missing: dict[str, str]) -> None:
    registry, first, *_ = three_versions(tmp_path)

    with pytest.raises(RegistryError, match="who and why"):
        registry.promote(first, **{**WHO_AND_WHY, **missing})

    assert registry.production() is None


def test_rollbacks_take_promotions_back_one_by_one(tmp_path: Path) -> None:
    registry, first, second, third = three_versions(tmp_path)
    for version in (first, second, third):
        registry.promote(version, **WHO_AND_WHY)

    assert registry.rollback(**WHO_AND_WHY).version == second
    assert registry.rollback(**WHO_AND_WHY).version == first
    with pytest.raises(RegistryError, match="no version before"):
        registry.rollback(**WHO_AND_WHY)

    assert registry.production() is not None
    assert [entry.to_version for entry in registry.ledger()] == [first, second, third, second, first]


def test_after_a_rollback_a_promotion_can_be_taken_back_again(tmp_path: Path) -> None:
    registry, first, second, third = three_versions(tmp_path)
    registry.promote(first, **WHO_AND_WHY)
    registry.promote(second, **WHO_AND_WHY)
    registry.rollback(**WHO_AND_WHY)

    registry.promote(third, **WHO_AND_WHY)

    assert registry.rollback(**WHO_AND_WHY).version == first


def test_a_rollback_to_a_version_that_was_changed_is_refused_and_production_stays(tmp_path: Path) -> None:
    registry, first, second, _ = three_versions(tmp_path)
    registry.promote(first, **WHO_AND_WHY)
    pointer = registry.promote(second, **WHO_AND_WHY)
    changed_byte(writable(registry.folder(first)))

    with pytest.raises(IntegrityError, match=r"state\.onnx"):
        registry.rollback(**WHO_AND_WHY)

    assert registry.production() == pointer


def test_a_promotion_cut_off_between_ledger_and_pointer_never_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, first, second, third = three_versions(tmp_path)
    registry.promote(first, **WHO_AND_WHY)
    registry.promote(second, **WHO_AND_WHY)

    def cut_off(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pdm_platform.stores.registry.replace_file", cut_off)
        with pytest.raises(RegistryError, match="no space left"):
            registry.promote(third, **WHO_AND_WHY)
        with pytest.raises(RegistryError, match="no space left"):
            registry.rollback(**WHO_AND_WHY)

    assert registry.rollback(**WHO_AND_WHY).version == first


def test_a_line_cut_off_in_the_ledger_is_dropped_and_the_next_is_whole(tmp_path: Path) -> None:
    registry, first, second, _ = three_versions(tmp_path)
    registry.promote(first, **WHO_AND_WHY)
    with (tmp_path / "registry" / "ledger.jsonl").open("ab") as file:
        file.write(b'{"at":"2025-')
    assert [entry.to_version for entry in registry.ledger()] == [first]

    registry.promote(second, **WHO_AND_WHY)

    assert [entry.to_version for entry in registry.ledger()] == [first, second]


def test_a_ledger_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    registry, first, *_ = three_versions(tmp_path)
    registry.promote(first, **WHO_AND_WHY)
    (tmp_path / "registry" / "ledger.jsonl").write_bytes(b"{}\n")

    with pytest.raises(IntegrityError, match=r"ledger\.jsonl' line 1"):
        registry.ledger()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version": "../../etc"}'])
def test_a_pointer_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    registry, first, *_ = three_versions(tmp_path)
    registry.promote(first, **WHO_AND_WHY)
    (tmp_path / "registry" / "production.json").write_bytes(content)

    with pytest.raises(IntegrityError, match=r"production\.json"):
        registry.production()


def test_a_pointer_whose_manifest_hash_differs_is_refused(tmp_path: Path) -> None:
    registry, manifest = registered(tmp_path)
    registry.promote(manifest.version, **WHO_AND_WHY)

    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        registry.load(pointer_to(manifest, "0" * 64))


def test_promotions_at_once_are_done_one_after_the_other(tmp_path: Path) -> None:
    registry, *versions = three_versions(tmp_path)
    threads = [
        threading.Thread(target=Registry(tmp_path / "registry").promote, args=(version,), kwargs=WHO_AND_WHY)
        for version in versions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    entries = registry.ledger()
    pointer = registry.production()
    assert sorted(entry.to_version for entry in entries) == sorted(versions)
    assert [entry.from_version for entry in entries] == [None, *(entry.to_version for entry in entries[:-1])]
    assert pointer is not None
    assert pointer.version == entries[-1].to_version
