"""Who may do what at Mosquitto: its access list and its password file, both as text.

The rule: a service reads and writes the topics it works with, a device writes its own readings and status and reads
what is said of it and to it, people read everything and command devices. Nobody else gets in.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pdm_platform.contract.errors import PdmError
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.deployment.roles import Role

PLATFORM_PREFIX: Final = "pdm-"
# PBKDF2 rounds, as mosquitto_passwd has them. More would buy nothing: every password here is 32 random bytes, which no
# one guesses. They would cost a lot: the broker hashes again for each connected client when it reloads this file.
ITERATIONS: Final = 101
_SALT_BYTES: Final = 12  # older brokers of the 2.0 series take no other length
_BROKER_UPTIME: Final = "$SYS/broker/uptime"


class AccessError(PdmError):
    """The broker's password file cannot be read."""

    code = "PDM-SECRETS-003"


class User(StrEnum):
    """The broker's users that are no devices."""

    BRIDGE = "pdm-bridge"
    INFERENCE = "pdm-inference"
    DAGSTER = "pdm-dagster"
    SIMULATOR = "pdm-simulator"
    OPERATOR = "pdm-operator"
    HEALTH = "pdm-health"


@dataclass(frozen=True, slots=True)
class Grant:
    """Topic filters that one user may read (receive) and write (publish to)."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


def user_grants(topics: Topics) -> dict[User, Grant]:
    """What each of the platform's own users may do."""
    telemetry, training = topics.every(Kind.TELEMETRY), topics.every(Kind.TRAINING)
    predictions, alarms = topics.every(Kind.PREDICTION), topics.every(Kind.ALARM)
    pointer, status = topics.of(Kind.MODEL_PRODUCTION), topics.of(Kind.MODEL_STATUS)
    return {
        # readings, for `pdmctl quarantine replay`; what is predicted of them is made anew, so it need not speak of that
        User.BRIDGE: Grant(reads=(topics.everything,), writes=(topics.of(Kind.REJECTED), telemetry, training)),
        User.INFERENCE: Grant(reads=(telemetry, pointer), writes=(predictions, alarms, status)),
        User.DAGSTER: Grant(writes=(training, pointer)),
        User.SIMULATOR: Grant(writes=(telemetry, training)),
        User.OPERATOR: Grant(reads=(topics.everything, "$SYS/#"), writes=(topics.every(Kind.COMMAND),)),
        User.HEALTH: Grant(reads=(_BROKER_UPTIME,)),
    }


def role_grant(role: Role, name: str, topics: Topics) -> Grant:
    """What an account of this name has beyond what the pattern lines give to every name: nothing for a device."""
    predictions, alarms = topics.every(Kind.PREDICTION), topics.every(Kind.ALARM)
    if role is Role.GATEWAY:
        return Grant(
            reads=(predictions, alarms, topics.every(Kind.COMMAND)),
            writes=(topics.every(Kind.TELEMETRY), topics.every(Kind.STATUS)),
        )
    if role is Role.COLLECTOR:
        # not every device: models learn from what it says
        return Grant(writes=(topics.of(Kind.TRAINING, name),))
    return Grant(reads=(topics.everything,)) if role is Role.READER else Grant()


def acl_text(topics: Topics, roles: Mapping[str, Role] | None = None) -> str:
    """Mosquitto's access list: the platform's users, the accounts with a role, and the pattern that is every device.

    roles: name to role of the accounts that are more than a device.
    """
    lines = ["# Made by pdmctl from the contract's topics, and made anew by it: changes by hand do not last.", ""]
    for user, grant in user_grants(topics).items():
        # Pattern lines hold for every user. Without this one, each of ours could speak as a pump of its own name.
        lines += [f"user {user}", f"topic deny {_branch_of(topics, user)}", *_lines("topic", grant), ""]
    for name, role in sorted((roles or {}).items()):
        if grants := _lines("topic", role_grant(role, name, topics)):
            # a gateway may be a pump as well, a reader may not
            silenced = [f"topic deny {_branch_of(topics, name)}"] if role is Role.READER else []
            lines += [f"# {role}", f"user {name}", *silenced, *grants, ""]
    device = Grant(
        reads=tuple(_own(topics, kind) for kind in (Kind.PREDICTION, Kind.ALARM, Kind.COMMAND)),
        writes=(_own(topics, Kind.TELEMETRY), _own(topics, Kind.STATUS)),
    )
    lines += ["# every device: below its own name", *_lines("pattern", device)]
    return "\n".join(lines) + "\n"


def _lines(keyword: str, grant: Grant) -> list[str]:
    reads = [f"{keyword} read {topic}" for topic in grant.reads]
    return reads + [f"{keyword} write {topic}" for topic in grant.writes]


def _own(topics: Topics, kind: Kind) -> str:
    return topics.every(kind).replace("/+/", "/%u/")


def _branch_of(topics: Topics, name: str) -> str:
    return topics.of(Kind.TELEMETRY, name).removesuffix(Kind.TELEMETRY) + "#"


@dataclass(slots=True)
class Passwords:
    """Mosquitto's password file: names and salted hashes. The hashes are not in its repr."""

    _hashes: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Passwords":
        """Read the file's text. Raises AccessError, naming the line, where it is not mosquitto's format."""
        hashes: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            name, colon, hashed = line.partition(":")
            if not (name and colon and hashed.startswith("$")):
                raise AccessError(
                    f"line {number} of the broker's password file is not `name:$7$…`",
                    hint="Take the line out, then run `pdmctl secrets init`; a device in it must be added again.",
                )
            hashes[name] = hashed
        return cls(hashes)

    def text(self) -> str:
        """The file's text."""
        return "".join(f"{name}:{hashed}\n" for name, hashed in self._hashes.items())

    def names(self) -> Iterable[str]:
        """All names, the platform's first, each group in order."""
        return sorted(self._hashes, key=lambda name: (not name.startswith(PLATFORM_PREFIX), name))

    def __contains__(self, name: str) -> bool:
        return name in self._hashes

    def set(self, name: str, password: str) -> None:
        """Add a name or give it a new password."""
        self._hashes[name] = hashed(password)

    def remove(self, name: str) -> None:
        """Take a name out. Raises KeyError where it is not there."""
        del self._hashes[name]

    def accepts(self, name: str, password: str) -> bool:
        """Whether the broker would let this name in with this password."""
        return name in self._hashes and verify(password, self._hashes[name])


def hashed(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """`$7$iterations$salt$hash`: PBKDF2 with SHA-512, salt and hash in base64. salt: 12 random bytes by default."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"


def verify(password: str, expected: str) -> bool:
    """Whether a password belongs to a `$7$…` entry; False for an entry of another kind."""
    match expected.split("$"):
        case ["", "7", iterations, salt, _] if iterations.isdigit():
            found = hashed(password, salt=base64.b64decode(salt), iterations=int(iterations))
            return hmac.compare_digest(found, expected)
    return False
