"""Accounts at the broker: one a device, made and ended while the broker runs."""

import secrets
from dataclasses import dataclass, field

from pdm_platform.contract.errors import PdmError, TopicError
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.deployment.access import PLATFORM_PREFIX, Passwords, acl_text
from pdm_platform.deployment.roles import Role
from pdm_platform.deployment.secrets import ACL, PASSWD, ROLES, read_passwords, read_roles
from pdm_platform.deployment.vault import SecretsError, Vault


class DeviceError(PdmError):
    """An account cannot be made, changed or ended as asked."""

    code = "PDM-DEVICE-001"


@dataclass(frozen=True, slots=True)
class Account:
    """What a device logs in with. The password is told once, and is not in the repr."""

    name: str
    password: str = field(repr=False)
    role: Role


class Accounts:
    """The accounts in the broker's password file that are not the platform's own.

    The broker takes a change over within about two seconds; it ends the running connection of a revoked account.
    Every method raises SecretsError where the broker's files are not there or not readable.
    """

    def __init__(self, vault: Vault, topics: Topics) -> None:
        self._vault = vault
        self._topics = topics

    def add(self, name: str, role: Role | None = None, *, rotate: bool = False) -> Account:
        """Make an account with a random password; with `rotate`, give an existing one a new password.

        name: the device id. role: default a device, or with `rotate` as before. Raises DeviceError for a name
        that is no device id, that begins `pdm-`, that exists, or, with `rotate`, does not.
        """
        self._refuse_other_than_ids(name)
        _refuse_platform(name)
        with self._vault.locked():
            passwords, roles = self._read()
            if name in passwords and not rotate:
                raise DeviceError(
                    f"device id {name!r} exists", hint="--rotate gives it a new password and ends its connection."
                )
            if name not in passwords and rotate:
                raise DeviceError(f"device id {name!r} does not exist", hint="Without --rotate it is made.")
            account = Account(
                name, secrets.token_hex(24), role or (roles.get(name, Role.DEVICE) if rotate else Role.DEVICE)
            )
            passwords.set(name, account.password)
            # first what it may do, then the door: once it can log in, it can do no more than it should
            self._write_roles({**roles, name: account.role})
            self._vault.put(PASSWD, passwords.text().encode())
        return account

    def revoke(self, name: str) -> None:
        """End an account and its running connection. Raises DeviceError for one that is not there or the platform's."""
        _refuse_platform(name)
        with self._vault.locked():
            passwords, roles = self._read()
            if name not in passwords:
                raise DeviceError(
                    f"device id {name!r} does not exist", hint="`pdmctl devices list` names all there are."
                )
            passwords.remove(name)
            self._vault.put(PASSWD, passwords.text().encode())
            roles.pop(name, None)
            self._write_roles(roles)

    def list(self) -> dict[str, Role]:
        """Name to role of all accounts, in order."""
        passwords, roles = self._read()
        names = [name for name in passwords.names() if not name.startswith(PLATFORM_PREFIX)]
        return {name: roles.get(name, Role.DEVICE) for name in names}

    def _refuse_other_than_ids(self, name: str) -> None:
        try:
            self._topics.of(Kind.TELEMETRY, name)
        except TopicError as error:
            raise DeviceError(
                error.what,
                hint="It is part of the device's topics: letters, digits, '.', '_' and '-', 1 to 64 of them.",
            ) from None

    def _read(self) -> tuple[Passwords, dict[str, Role]]:
        if self._vault.find(PASSWD) is None:
            raise SecretsError(
                f"{str(self._vault.path(PASSWD))!r} is missing",
                hint="`make up` or `pdmctl secrets init` makes it. PDM_SECRETS_DIR says where.",
            )
        return read_passwords(self._vault), read_roles(self._vault)

    def _write_roles(self, roles: dict[str, Role]) -> None:
        special = {name: role for name, role in sorted(roles.items()) if role is not Role.DEVICE}
        self._vault.put_if_changed(ROLES, "".join(f"{name} {role}\n" for name, role in special.items()).encode())
        self._vault.put_if_changed(ACL, acl_text(self._topics, special).encode())


def _refuse_platform(name: str) -> None:
    if name.startswith(PLATFORM_PREFIX):
        raise DeviceError(
            f"device id {name!r} begins with {PLATFORM_PREFIX!r}, which names the platform's own users",
            hint="`pdmctl secrets init` makes those. Choose another name for the device.",
        )
