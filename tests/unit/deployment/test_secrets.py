"""What `secrets init` and `secrets renew` make, leave alone and refuse."""

import os
import re
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from pdm_platform.contract.topics import Topics
from pdm_platform.deployment import vault
from pdm_platform.deployment.access import AccessError, Passwords, User, acl_text
from pdm_platform.deployment.certificates import expiry, names_in
from pdm_platform.deployment.roles import Role
from pdm_platform.deployment.secrets import MQTT_PASSWORD_FILES, read_roles, renew
from pdm_platform.deployment.vault import OWNERS, SecretsError
from tests.unit.deployment.conftest import NOW, Site

# what the compose file mounts into its services, folder by folder; the store's tokens come from `pdmctl store init`
FILES = {
    "ca": {"ca.crt", "ca.key"},
    "mosquitto": {"passwd", "acl", "server.crt", "server.key", "ca.crt", "health"},
    "bridge": {"mqtt-password"},
    "inference": {"mqtt-password"},
    "dagster": {"pgpass"},
    "dagster-code": {"mqtt-password", "pgpass"},
    "simulator": {"mqtt-password"},
    "influxdb": {"operator-token", "admin-password"},
    "postgres": {"password"},
    "grafana": {"admin-password", "secret-key"},
    "operator": {"mqtt-password", "ca.crt", "grafana-admin-password"},
}
RANDOM = {
    *(f"{folder}/{name}" for folder, names in FILES.items() for name in names if "password" in name or "token" in name),
    "grafana/secret-key",
    "mosquitto/health",
} - {"operator/grafana-admin-password"}
NAMES = {f"{folder}/{name}" for folder, names in FILES.items() for name in names}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")


# -- the first time


def test_the_first_start_makes_every_file_that_a_service_is_given(tmp_path: Path) -> None:
    site = Site(tmp_path / "secrets")

    made = site.init().made

    assert set(site.contents()) == NAMES == set(made)
    assert len(made) == len(NAMES)
    assert {path.name for path in site.folder.iterdir()} == {*FILES, ".lock"}
    assert (site.folder / "mosquitto" / "conf.d").is_dir()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_no_one_but_its_owner_can_read_a_secret_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    site = Site(tmp_path / "secrets")
    before = os.umask(umask)
    try:
        site.init()
    finally:
        os.umask(before)

    for path in [site.folder, *site.folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@needs_root
def test_as_root_every_file_belongs_to_the_user_of_the_service_that_reads_it(tmp_path: Path) -> None:
    site = Site(tmp_path / "secrets", operator_uid=4321)
    site.init()

    expected = {**{folder: uid or 0 for folder, uid in OWNERS.items()}, "operator": 4321}
    assert (site.folder.stat().st_uid, (site.folder / "ca").stat().st_uid) == (4321, 0)
    for path in (path for folder in FILES for path in (site.folder / folder).rglob("*")):
        folder = path.relative_to(site.folder).parts[0]
        assert path.stat().st_uid == expected[folder], path
        # Mosquitto warns of files of another group than its own, and says that it will refuse them one day
        assert OWNERS[folder] in (None, path.stat().st_gid), path


@needs_root
def test_who_runs_it_without_saying_for_whom_takes_the_folder_for_people_from_nobody(tmp_path: Path) -> None:
    Site(tmp_path / "secrets", operator_uid=4321).init()
    site = Site(tmp_path / "secrets")

    site.init()

    assert [(site.folder / name).stat().st_uid for name in ("", "operator", "operator/ca.crt")] == [4321] * 3


def test_a_first_start_that_was_cut_off_before_the_authority_s_certificate_begins_anew(tmp_path: Path) -> None:
    site = Site(tmp_path / "secrets")
    site.init()
    for name in ("ca/ca.crt", "operator/ca.crt", "mosquitto/ca.crt", "mosquitto/server.crt", "mosquitto/server.key"):
        (site.folder / name).unlink()

    made = site.init().made

    assert {"ca/ca.key", "ca/ca.crt", "operator/ca.crt", "mosquitto/server.crt"} <= set(made)
    assert site.read("operator/ca.crt") == site.read("ca/ca.crt")


@needs_root
def test_as_root_a_file_of_another_s_is_given_back(site: Site) -> None:
    os.chown(site.folder / "mosquitto/acl", 0, 0)
    os.chown(site.folder / "bridge", 1234, 1234)

    site.init()

    found = [(site.folder / name).stat() for name in ("mosquitto/acl", "bridge")]
    assert [(file.st_uid, file.st_gid) for file in found] == [(1883, 1883), (10001, 10001)]


def test_without_root_people_are_told_which_folders_no_container_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4321)

    notes = Site(tmp_path / "secrets").init().notes

    assert len(notes) == 1
    assert all(f"{folder} (uid {uid})" in notes[0] for folder, uid in OWNERS.items() if uid is not None)


def test_random_secrets_are_long_each_its_own_and_other_in_every_plant(site: Site, tmp_path: Path) -> None:
    other = Site(tmp_path / "other")
    other.init()

    values = [plant.read(name) for plant in (site, other) for name in RANDOM]

    assert len(RANDOM) == 11
    assert len(set(values)) == 2 * len(RANDOM)
    # 32 random bytes in base64; no newline, which some programs would take for a part of a password
    # 256 bits, and no sign that a command line could misread
    assert all(re.fullmatch("[0-9a-f]{64}", value.decode()) for value in values)
    assert not any(value.split() != [value] for value in values)


def test_the_broker_knows_each_service_by_the_password_that_lies_in_the_service_s_folder(site: Site) -> None:
    passwords = Passwords.parse(site.read("mosquitto/passwd").decode())

    assert set(MQTT_PASSWORD_FILES) == set(User)
    for user, name in MQTT_PASSWORD_FILES.items():
        assert passwords.accepts(user, site.read(name).decode())
        assert site.read(name) not in site.read("mosquitto/passwd")


def test_copies_and_what_is_derived_agree_with_their_source(site: Site) -> None:
    assert site.read("operator/ca.crt") == site.read("mosquitto/ca.crt") == site.read("ca/ca.crt")
    assert site.read("operator/grafana-admin-password") == site.read("grafana/admin-password")
    assert (
        site.read("dagster/pgpass")
        == site.read("dagster-code/pgpass")
        == b"postgres:5432:dagster:dagster:" + site.read("postgres/password") + b"\n"
    )


def test_the_access_list_lies_below_the_topic_root_that_is_set(tmp_path: Path) -> None:
    site = Site(tmp_path / "secrets")
    site.init(root="plant-7/north")

    assert site.read("mosquitto/acl").decode() == acl_text(Topics("plant-7/north"))
    assert b"factory" not in site.read("mosquitto/acl")


# -- every further time


def test_a_second_init_changes_nothing(site: Site) -> None:
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in site.folder.rglob("*") if path.is_file()}
    contents = site.contents()

    done = site.init(NOW + timedelta(days=300))

    assert done.made == []
    assert site.changed_since(contents) == set()
    for path, (inode, modified_ns) in before.items():
        assert path.name == ".lock" or (path.stat().st_ino, path.stat().st_mtime_ns) == (inode, modified_ns)


def test_another_topic_root_changes_the_access_list_and_nothing_else(site: Site) -> None:
    before = site.contents()

    made = site.init(root="plant-7").made

    assert made == ["mosquitto/acl"]
    assert site.changed_since(before) == {"mosquitto/acl"}


@pytest.mark.parametrize("name", sorted(RANDOM))
def test_a_lost_secret_is_made_anew_and_only_what_depends_on_it_follows(site: Site, name: str) -> None:
    before = site.contents()
    (site.folder / name).unlink()

    site.init()

    follows = {
        "grafana/admin-password": {"operator/grafana-admin-password"},
        "postgres/password": {"dagster/pgpass", "dagster-code/pgpass"},
        **{name: {"mosquitto/passwd"} for name in MQTT_PASSWORD_FILES.values()},
    }.get(name, set())
    assert site.changed_since(before) == {name, *follows}


def test_an_empty_file_as_a_full_disk_may_leave_it_is_made_anew(site: Site) -> None:
    (site.folder / "bridge/mqtt-password").write_bytes(b"")

    assert "bridge/mqtt-password" in site.init().made
    assert len(site.read("bridge/mqtt-password")) == 64


def test_accounts_of_devices_outlive_init(site: Site) -> None:
    pump, gateway = site.accounts.add("pump-a"), site.accounts.add("gw", Role.GATEWAY)
    before = site.contents()
    (site.folder / "mosquitto/acl").unlink()
    (site.folder / "inference/mqtt-password").unlink()

    site.init()

    passwords = Passwords.parse(site.read("mosquitto/passwd").decode())
    assert passwords.accepts("pump-a", pump.password)
    assert passwords.accepts("gw", gateway.password)
    assert site.changed_since(before) == {"inference/mqtt-password", "mosquitto/passwd"}


def test_modes_that_someone_opened_are_closed_again(site: Site) -> None:
    site.folder.chmod(0o755)
    (site.folder / "ca/ca.key").chmod(0o644)

    site.init()

    assert stat.S_IMODE(site.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((site.folder / "ca/ca.key").stat().st_mode) == 0o600


# -- certificates


@pytest.mark.parametrize(("days", "renewed"), [(366, False), (368, True)])
def test_init_renews_the_broker_s_certificate_in_its_last_thirty_days(site: Site, days: int, renewed: bool) -> None:
    before = site.contents()

    done = site.init(NOW + timedelta(days=days))

    assert site.changed_since(before) == ({"mosquitto/server.crt", "mosquitto/server.key"} if renewed else set())
    assert any("it is good until 2027-04-02 only" in note for note in done.notes) is renewed


def test_a_new_name_of_the_broker_makes_a_new_certificate_and_keeps_the_authority(site: Site) -> None:
    before = site.contents()
    renamed = Site(site.folder, broker_names="plant.example, 10.0.0.5")

    notes = renamed.init().notes

    assert {"plant.example", "10.0.0.5", "localhost"} <= names_in(site.read("mosquitto/server.crt"))
    assert site.changed_since(before) == {"mosquitto/server.crt", "mosquitto/server.key"}
    assert any("does not stand for plant.example, 10.0.0.5" in note for note in notes)


def test_renew_makes_a_new_certificate_and_key_and_keeps_all_else(site: Site) -> None:
    before = site.contents()

    old, new = renew(site.settings, NOW + timedelta(days=100))

    assert site.changed_since(before) == {"mosquitto/server.crt", "mosquitto/server.key"}
    assert (new - old).days == 100
    assert expiry(site.read("mosquitto/server.crt")) == new


def test_with_the_authority_s_key_kept_elsewhere_all_works_but_a_new_certificate(site: Site) -> None:
    (site.folder / "ca/ca.key").unlink()
    before = site.contents()

    assert site.init().made == []
    with pytest.raises(SecretsError, match=r"ca/ca\.key' is missing, and only it can sign") as refused:
        renew(site.settings, NOW)

    assert refused.value.hint
    assert site.changed_since(before) == set()


def test_a_lost_certificate_of_the_authority_stops_init_instead_of_a_new_one_that_no_device_trusts(site: Site) -> None:
    (site.folder / "ca/ca.crt").unlink()
    before = site.contents()

    with pytest.raises(SecretsError, match=r"ca\.key' is there without its certificate") as refused:
        site.init()

    assert "operator/ca.crt" in refused.value.hint
    assert site.changed_since(before) == set()


# -- what stands in the way


def test_a_broken_password_file_stops_init_and_stays_for_people_to_mend(site: Site) -> None:
    (site.folder / "mosquitto/passwd").write_text("pump-a\n")

    with pytest.raises(AccessError, match="line 1 of the broker's password file") as refused:
        site.init()

    assert refused.value.hint
    assert site.read("mosquitto/passwd") == b"pump-a\n"


def test_a_role_that_does_not_exist_is_named_with_its_line(site: Site) -> None:
    (site.folder / "mosquitto/roles").write_text("gw gateway\npump-a king\n")

    with pytest.raises(SecretsError, match="'pump-a king' is not a name and one of device, collector, gateway, reader"):
        read_roles(site.vault)


def test_two_at_a_time_wait_for_each_other_and_say_so_when_it_takes_too_long(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "_LOCKED_WITHIN_S", 0.1)
    before = site.contents()

    with FileLock(site.folder / ".lock"), pytest.raises(SecretsError, match=r"is locked by another process for 0\.1 s"):
        site.init(NOW + timedelta(days=390))

    assert site.changed_since(before) == set()
    assert "mosquitto/server.crt" in site.init(NOW + timedelta(days=390)).made
