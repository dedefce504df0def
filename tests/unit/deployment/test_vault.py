"""The folder of secrets: what it writes, whom it gives it to, and what it says when it cannot."""

import os
import stat
from pathlib import Path

import pytest

from pdm_platform.deployment.vault import OWNERS, SecretsError, Vault
from tests.unit.deployment.conftest import Site


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Site(tmp_path / "secrets").vault


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_read_back_as_it_was_written_and_its_folders_are_closed(vault: Vault) -> None:
    vault.put("mosquitto/conf.d/office.conf", b"\x00 content\n")

    assert vault.read("mosquitto/conf.d/office.conf") == b"\x00 content\n"
    assert mode(vault.path("mosquitto/conf.d/office.conf")) == 0o600
    assert {mode(vault.path(name)) for name in ("", "mosquitto", "mosquitto/conf.d")} == {0o700}


def test_a_replaced_secret_is_another_file_so_that_no_reader_sees_half_of_it(vault: Vault) -> None:
    vault.put("bridge/store-token", b"old")
    with vault.path("bridge/store-token").open("rb") as reader:
        vault.put("bridge/store-token", b"new")

        assert reader.read() == b"old"
    assert vault.read("bridge/store-token") == b"new"


def test_a_write_that_fails_leaves_the_old_secret_and_nothing_else(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.put("bridge/store-token", b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SecretsError, match=r"cannot write '.*bridge/store-token': No space left on device"):
        vault.put("bridge/store-token", b"new")

    assert vault.read("bridge/store-token") == b"old"
    assert [path.name for path in vault.path("bridge").iterdir()] == ["store-token"]


def test_what_is_so_already_is_not_written_again(vault: Vault) -> None:
    assert vault.put_if_changed("mosquitto/acl", b"one")
    before = vault.path("mosquitto/acl").stat()

    assert not vault.put_if_changed("mosquitto/acl", b"one")
    assert vault.path("mosquitto/acl").stat() == before
    assert vault.put_if_changed("mosquitto/acl", b"two")


def test_a_missing_or_empty_secret_is_none_where_it_may_be_missing_and_an_error_where_not(vault: Vault) -> None:
    vault.put("bridge/store-token", b"")

    for name in ("bridge/store-token", "bridge/mqtt-password"):
        assert vault.find(name) is None
        with pytest.raises(SecretsError, match=rf"{name}' is missing") as refused:
            vault.read(name)
        assert "pdmctl secrets init" in refused.value.hint


def test_who_may_not_read_a_secret_is_told_to_do_it_as_root(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SecretsError, match=r"cannot read .*Permission denied") as refused:
        vault.find("ca/ca.key")

    assert "runs as root" in refused.value.hint
    assert "docker compose run --rm" in refused.value.hint


def test_each_folder_belongs_to_its_service_and_the_people_s_to_people(tmp_path: Path) -> None:
    vault = Site(tmp_path / "secrets", operator_uid=1234).vault

    assert {folder: vault.owner(folder) for folder in OWNERS} == {
        **{folder: os.geteuid() if uid is None else uid for folder, uid in OWNERS.items()},
        "operator": 1234,
    }
    assert vault.owner("") == 1234


def test_as_root_a_new_file_is_given_away_before_anything_is_in_it(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int, int]] = []

    def give(descriptor: int, uid: int, gid: int) -> None:
        given.append((uid, gid, os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda *_: None)
    monkeypatch.setattr(os, "fchown", give)

    vault.put("grafana/admin-password", b"x" * 43)

    assert given == [(472, 472, 0)]


def test_what_someone_else_put_there_and_links_stay_as_they_are(tmp_path: Path, vault: Vault) -> None:
    outside = tmp_path / "outside"
    outside.write_text("not ours")
    outside.chmod(0o644)
    vault.put("bridge/mqtt-password", b"x")
    vault.path("bridge/link").symlink_to(outside)
    note = vault.path("README")
    note.write_text("a note")
    note.chmod(0o640)

    vault.settle()

    assert mode(outside) == 0o644
    assert mode(note) == 0o640


def test_people_are_told_the_folder_as_they_see_it(tmp_path: Path) -> None:
    vault = Site(tmp_path / "secrets", secrets_dir_on_host=Path("deploy/secrets")).vault

    assert vault.told("operator/ca.crt") == Path("deploy/secrets/operator/ca.crt")
    assert vault.path("operator/ca.crt") == tmp_path / "secrets/operator/ca.crt"
    assert Site(tmp_path).vault.told("ca/ca.crt") == tmp_path / "ca/ca.crt"
