"""The broker's access list and password file as text. What the broker makes of them, the integration tests see."""

import pytest

from pdm_platform.contract.topics import Topics
from pdm_platform.deployment.access import AccessError, Passwords, User, acl_text, hashed, verify
from pdm_platform.deployment.roles import Role

# made by `mosquitto_passwd -b` of Mosquitto 2.0.11
FROM_MOSQUITTO = (
    "$7$101$rTuKLZq7cSo3kakx$laE5rgt1tbH3xQInHU4u3+WIAyULISoSynD6f3DqFEI0qvR7P7a4OAvOGfv56ZHtzvzEQuKrJ7d5l2ZaLD4BRg=="
)
PASSWORD = "made up for this test, ü"

SERVICES = {
    "pdm-bridge": [
        "read R/#",
        "write R/platform/rejected",
        "write R/pumps/+/telemetry",
        "write R/training/+/training_data",
    ],
    "pdm-inference": [
        "read R/pumps/+/telemetry",
        "read R/platform/models/production",
        "write R/pumps/+/predictions",
        "write R/pumps/+/alarms",
        "write R/platform/models/status",
    ],
    "pdm-dagster": ["write R/training/+/training_data", "write R/platform/models/production"],
    "pdm-simulator": ["write R/pumps/+/telemetry", "write R/training/+/training_data"],
    "pdm-operator": ["read R/#", "read $SYS/#", "write R/pumps/+/command"],
    "pdm-health": ["read $SYS/broker/uptime"],
}
ROLES = {
    Role.DEVICE: [],
    Role.COLLECTOR: ["write R/training/one/training_data"],
    Role.GATEWAY: [
        "read R/pumps/+/predictions",
        "read R/pumps/+/alarms",
        "read R/pumps/+/command",
        "write R/pumps/+/telemetry",
        "write R/pumps/+/status",
    ],
    Role.READER: ["deny R/pumps/one/#", "read R/#"],
}
EVERY_DEVICE = [
    "read R/pumps/%u/predictions",
    "read R/pumps/%u/alarms",
    "read R/pumps/%u/command",
    "write R/pumps/%u/telemetry",
    "write R/pumps/%u/status",
]


def rules(text: str) -> tuple[dict[str, list[str]], list[str]]:
    """Each user's topic lines, and the pattern lines. Fails on a line that Mosquitto would not read as one of these."""
    users: dict[str, list[str]] = {}
    patterns: list[str] = []
    for line in text.splitlines():
        keyword, _, rest = line.partition(" ")
        if keyword == "user":
            current = users.setdefault(rest, [])
        elif keyword == "topic":
            current.append(rest)
        elif keyword == "pattern":
            patterns.append(rest)
        else:
            assert line == "" or line.startswith("# "), line
    return users, patterns


def below(root: str, lines: list[str]) -> list[str]:
    return [line.replace(" R/", f" {root}/") for line in lines]


# -- the access list


@pytest.mark.parametrize("root", ["factory", "plant-7/north"])
@pytest.mark.parametrize("user", User)
def test_a_service_may_use_the_contract_s_topics_for_it_and_not_speak_as_a_pump(root: str, user: User) -> None:
    users, _ = rules(acl_text(Topics(root)))

    assert set(users) == set(SERVICES)
    assert users[user] == below(root, [f"deny R/pumps/{user}/#", *SERVICES[user]])


@pytest.mark.parametrize("root", ["factory", "plant-7/north"])
def test_a_device_is_a_pattern_below_its_own_name(root: str) -> None:
    _, patterns = rules(acl_text(Topics(root), {"pump-a": Role.DEVICE}))

    assert patterns == below(root, EVERY_DEVICE)


@pytest.mark.parametrize("role", Role)
def test_an_account_with_a_role_has_its_own_lines_beside_the_pattern(role: Role) -> None:
    users, patterns = rules(acl_text(Topics(), {"one": role}))

    assert users.get("one", []) == below("factory", ROLES[role])
    assert set(users) - set(SERVICES) == ({"one"} if ROLES[role] else set())
    assert patterns == below("factory", EVERY_DEVICE)


def test_only_who_stores_or_watches_everything_reads_everything() -> None:
    users, patterns = rules(acl_text(Topics(), {"gw": Role.GATEWAY, "office": Role.READER}))

    assert {user for user, lines in users.items() if "read factory/#" in lines} == {
        *("pdm-bridge", "pdm-operator", "office")
    }
    written = [line for lines in [*users.values(), patterns] for line in lines if line.startswith("write")]
    assert not any("#" in line for line in written)
    assert not any(line.startswith("readwrite") for lines in users.values() for line in lines)


# -- the password file


def test_a_password_file_of_mosquitto_is_read_and_written_as_it_is() -> None:
    text = f"pump-1:{FROM_MOSQUITTO}\n"
    passwords = Passwords.parse(text)

    assert passwords.text() == text
    assert passwords.accepts("pump-1", PASSWORD)
    assert not passwords.accepts("pump-1", PASSWORD + " ")
    assert not passwords.accepts("pump-2", PASSWORD)


def test_the_same_password_has_another_hash_each_time_and_is_not_in_it() -> None:
    first, second = hashed("a password"), hashed("a password")

    assert first != second
    assert verify("a password", first)
    assert verify("a password", second)
    assert "a password" not in first


@pytest.mark.parametrize("entry", ["", "plain", "$6$salt$hash", "$7$x$c2FsdA==$aGFzaA=="])
def test_no_password_belongs_to_an_entry_of_another_kind(entry: str) -> None:
    assert not verify("", entry)
    assert not verify("plain", entry)


@pytest.mark.parametrize("line", ["pump-a", "pump-a:", ":$7$101$x$y", "pump-a:plain", ""])
def test_a_line_that_is_no_entry_is_named_by_its_number_and_not_quoted(line: str) -> None:
    with pytest.raises(AccessError, match=r"line 2 of the broker's password file is not `name:\$7\$…`") as refused:
        Passwords.parse(f"pump-1:{FROM_MOSQUITTO}\n{line}\n")

    assert "plain" not in str(refused.value)


def test_names_come_in_order_the_platform_s_first() -> None:
    passwords = Passwords.parse("".join(f"{name}:{FROM_MOSQUITTO}\n" for name in ("b", "pdm-x", "a", "pdm-a")))

    assert list(passwords.names()) == ["pdm-a", "pdm-x", "a", "b"]


def test_no_hash_is_in_what_a_log_would_print() -> None:
    assert "$7$" not in repr(Passwords.parse(f"pump-1:{FROM_MOSQUITTO}\n"))
