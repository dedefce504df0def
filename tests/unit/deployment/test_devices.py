"""Accounts of devices: made, given a new password, ended, listed; one change at a time."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pdm_platform.contract.topics import Topics
from pdm_platform.deployment.access import Passwords, User, acl_text
from pdm_platform.deployment.devices import Accounts, DeviceError
from pdm_platform.deployment.roles import Role
from pdm_platform.deployment.secrets import ACL, PASSWD, SERVER, SERVER_KEY
from pdm_platform.deployment.vault import SecretsError
from tests.unit.deployment.conftest import Site


def passwords(site: Site) -> Passwords:
    return Passwords.parse(site.read("mosquitto/passwd").decode())


def writes_of(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are written from now on, in order."""
    written: list[str] = []
    put = site.vault.put

    def noted(name: str, data: bytes) -> None:
        written.append(name)
        put(name, data)

    monkeypatch.setattr(site.vault, "put", noted)
    return written


# -- add


def test_a_new_device_gets_a_password_of_its_own_of_which_only_the_hash_is_kept(site: Site) -> None:
    before = site.contents()

    first, second = site.accounts.add("pump-a"), site.accounts.add("Pump_7.b-2")

    assert passwords(site).accepts("pump-a", first.password)
    assert passwords(site).accepts("Pump_7.b-2", second.password)
    assert first.password != second.password
    # 192 bits, and no sign that a command line could misread
    assert re.fullmatch("[0-9a-f]{48}", first.password)
    assert site.changed_since(before) == {"mosquitto/passwd"}
    assert not any(first.password.encode() in content for content in site.contents().values())
    assert first.password not in repr(first)


def test_the_platform_s_own_passwords_stay_as_they_are(site: Site) -> None:
    before = passwords(site).text()

    site.accounts.add("pump-a")

    assert passwords(site).text().startswith(before)


@pytest.mark.parametrize("role", [Role.GATEWAY, Role.READER])
def test_a_role_is_in_the_access_list_before_the_account_can_log_in(
    site: Site, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    written = writes_of(site, monkeypatch)

    site.accounts.add("one", role)

    assert written == ["mosquitto/roles", "mosquitto/acl", "mosquitto/passwd"]
    assert site.read("mosquitto/acl").decode() == acl_text(Topics(), {"one": role})


@pytest.mark.parametrize(
    "name",
    [
        *("", "+", "#", "pump/+", "pumps/#", "a/b", "/", "pump+", "$SYS", "%u", "%c"),
        *("pump a", "pump:a", "pump\n", "pümp", "x" * 65, "pump\0"),
    ],
)
def test_a_name_that_would_be_more_than_one_branch_of_topics_is_refused(site: Site, name: str) -> None:
    before = site.contents()

    with pytest.raises(DeviceError) as refused:
        site.accounts.add(name)

    assert refused.value.what.startswith(f"device id {name!r} ")
    assert refused.value.hint
    assert site.changed_since(before) == set()


@pytest.mark.parametrize("name", ["pdm-", "pdm-pump", *(user.value for user in User)])
def test_a_name_of_the_platform_is_neither_made_nor_changed_nor_ended(site: Site, name: str) -> None:
    before = site.contents()

    for change in (site.accounts.add, site.accounts.revoke, lambda name: site.accounts.add(name, rotate=True)):
        with pytest.raises(DeviceError, match=f"device id '{name}' begins with 'pdm-'"):
            change(name)

    assert site.changed_since(before) == set()


def test_a_device_that_exists_keeps_its_password(site: Site) -> None:
    account = site.accounts.add("pump-a")

    with pytest.raises(DeviceError, match="device id 'pump-a' exists") as refused:
        site.accounts.add("pump-a")

    assert "--rotate" in refused.value.hint
    assert passwords(site).accepts("pump-a", account.password)


# -- a new password


def test_rotate_gives_a_new_password_and_ends_the_old_one(site: Site) -> None:
    old = site.accounts.add("pump-a")
    new = site.accounts.add("pump-a", rotate=True)

    assert passwords(site).accepts("pump-a", new.password)
    assert not passwords(site).accepts("pump-a", old.password)


def test_rotate_keeps_the_role_unless_another_is_given(site: Site) -> None:
    site.accounts.add("gw", Role.GATEWAY)

    assert site.accounts.add("gw", rotate=True).role is Role.GATEWAY
    assert site.accounts.add("gw", Role.DEVICE, rotate=True).role is Role.DEVICE
    assert site.read("mosquitto/acl").decode() == acl_text(Topics())


def test_rotate_of_an_unknown_device_is_refused_as_it_would_hide_a_typing_error(site: Site) -> None:
    with pytest.raises(DeviceError, match="device id 'pmup-a' does not exist"):
        site.accounts.add("pmup-a", rotate=True)

    assert "pmup-a" not in passwords(site)


# -- revoke and list


def test_a_revoked_account_is_gone_with_its_role_and_no_other_is(site: Site) -> None:
    site.accounts.add("pump-a")
    kept = site.contents()
    site.accounts.add("gw", Role.GATEWAY)

    site.accounts.revoke("gw")

    assert site.changed_since(kept) == {"mosquitto/roles"}
    assert site.read("mosquitto/roles") == b""
    assert site.accounts.add("gw").role is Role.DEVICE


def test_the_door_is_shut_before_the_role_is_taken_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.accounts.add("office", Role.READER)
    written = writes_of(site, monkeypatch)

    site.accounts.revoke("office")

    assert written == ["mosquitto/passwd", "mosquitto/roles", "mosquitto/acl"]


def test_an_unknown_device_cannot_be_revoked_and_the_error_says_how_to_find_the_right_one(site: Site) -> None:
    with pytest.raises(DeviceError, match="device id 'pump-z' does not exist") as refused:
        site.accounts.revoke("pump-z")

    assert "devices list" in refused.value.hint


def test_the_list_has_every_account_in_order_with_its_role_and_none_of_the_platform_s(site: Site) -> None:
    assert site.accounts.list() == {}
    site.accounts.add("pump-b")
    site.accounts.add("gw", Role.GATEWAY)
    site.accounts.add("office", Role.READER)

    assert list(site.accounts.list().items()) == [
        ("gw", Role.GATEWAY),
        ("office", Role.READER),
        ("pump-b", Role.DEVICE),
    ]


# -- together, and without secrets


def test_devices_added_at_the_same_time_are_all_there(site: Site) -> None:
    names = [f"pump-{number}" for number in range(16)]
    roles = [Role.GATEWAY if number % 4 == 0 else None for number in range(16)]

    with ThreadPoolExecutor(8) as workers:
        added = list(workers.map(Site(site.folder).accounts.add, names, roles))

    assert all(passwords(site).accepts(account.name, account.password) for account in added)
    assert site.accounts.list() == {name: role or Role.DEVICE for name, role in sorted(zip(names, roles, strict=True))}
    gateways = dict.fromkeys(names[::4], Role.GATEWAY)
    assert site.read("mosquitto/acl").decode() == acl_text(Topics(), gateways)


@pytest.mark.parametrize("call", [lambda a: a.add("pump-a"), lambda a: a.revoke("pump-a"), Accounts.list])
def test_without_secrets_the_error_names_the_file_and_the_command_that_makes_it(tmp_path: Path, call: object) -> None:
    with pytest.raises(SecretsError, match=r"mosquitto/passwd' is missing") as refused:
        call(Site(tmp_path / "none").accounts)  # type: ignore[operator]

    assert "make up" in refused.value.hint


def test_the_files_that_change_are_those_that_the_start_script_watches() -> None:
    script = (Path(__file__).parents[3] / "deploy/mosquitto/run.sh").read_text(encoding="utf-8")

    for name in (PASSWD, ACL, SERVER, SERVER_KEY):
        assert f'"$access/{name.removeprefix("mosquitto/")}"' in script
