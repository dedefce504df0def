"""Settings of the commands that make the stack's secrets, certificates and device accounts."""

import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from pdm_platform.runtime.settings import BaseEnvSettings, Port

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\Z")


class DeploymentSettings(BaseEnvSettings):
    """Where the secrets lie, to whom they belong, and under which names devices reach the broker."""

    secrets_dir: Path = Field(Path("deploy/secrets"), description="folder of the stack's secrets and certificates")
    secrets_dir_on_host: Path | None = Field(
        None, description="the same folder as people see it, where a container sees it elsewhere"
    )
    operator_uid: int | None = Field(
        None, ge=0, description="owner of the folder `operator` in it; default: whoever runs the command"
    )
    broker_names: str = Field(
        "", description="names and addresses by which devices reach the broker, separated by commas"
    )
    broker_tls_port: Port = Field(8883, description="port of the broker's TLS listener, as devices see it")

    metrics_targets: str = Field(
        "http://bridge:9101/metrics,http://inference:9102/metrics",
        description="addresses whose metrics InfluxDB, which must reach them, collects every 10 s; commas between",
    )

    @field_validator("metrics_targets")
    @classmethod
    def _targets_are_addresses(cls, targets: str) -> str:
        for target in _listed(targets):
            parts = urlsplit(target)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{target!r} is no http address")
        return targets

    @property
    def metrics_target_list(self) -> tuple[str, ...]:
        """`metrics_targets` taken apart."""
        return _listed(self.metrics_targets)

    @field_validator("broker_names")
    @classmethod
    def _names_fit_a_certificate(cls, names: str) -> str:
        for name in _listed(names):
            if not is_address(name) and not _HOST_NAME.match(name):
                raise ValueError(f"{name!r} is neither a host name nor an IP address")
        return names

    @property
    def told_dir(self) -> Path:
        """`secrets_dir` as people are told of it."""
        return self.secrets_dir_on_host or self.secrets_dir

    @property
    def broker_name_list(self) -> tuple[str, ...]:
        """`broker_names` taken apart."""
        return _listed(self.broker_names)

    @property
    def broker_name(self) -> str:
        """The name that devices are told: the first of `broker_names`, else localhost."""
        return next(iter(self.broker_name_list), "localhost")


def is_address(name: str) -> bool:
    """Whether this is an IP address and no host name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())
