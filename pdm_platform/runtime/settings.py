"""Typed settings, read from the environment (prefix `PDM_`) and validated before any I/O."""

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pdm_platform.contract.errors import SettingsError
from pdm_platform.contract.intake import IntakeLimits
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.contract.topics import DEFAULT_ROOT, Topics
from pdm_platform.runtime.compute import checked
from pdm_platform.runtime.store_address import parse_store_url, without_credentials

Port = Annotated[int, Field(ge=0, le=65535)]
PositiveSeconds = Annotated[float, Field(gt=0)]


class BaseEnvSettings(BaseSettings):
    """Settings of one part. `load` names the variable and the value that cannot be used."""

    model_config = SettingsConfigDict(env_prefix="PDM_", env_ignore_empty=True, extra="ignore", frozen=True)

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises SettingsError naming each variable, its value and what is wrong with it."""
        try:
            return cls()
        except ValidationError as error:
            prefix = cls.model_config.get("env_prefix", "")
            lines = [
                f"{prefix}{'_'.join(str(part) for part in found['loc'])}".upper()
                + f"={_shown(found['input'])!r}: {found['msg']}"
                for found in error.errors()
            ]
            raise SettingsError(
                "; ".join(lines), hint="`pdmctl config` prints every setting and its default."
            ) from None


def _shown(value: object) -> object:
    return without_credentials(value) if isinstance(value, str) else value


class PlatformSettings(BaseEnvSettings):
    """What all processes share: where data lies and how the broker is reached."""

    home: Path = Field(Path("var/dev"), description="folder for everything the platform writes")
    store_url: str = Field(
        "",
        description="time-series store, `influxdb[+https]://HOST:8086/PREFIX?org=ORG` or a file;"
        " default `sqlite:///{home}/store/telemetry.sqlite`",
    )
    store_token: SecretStr = Field(SecretStr(""), description="InfluxDB token; the embedded store needs none")
    store_token_file: Path | None = Field(
        None, description="file holding the InfluxDB token, preferred to the variable"
    )
    mqtt_host: str = Field("127.0.0.1", description="broker host")
    mqtt_port: Port = Field(1883, description="broker port")
    mqtt_username: str = Field("", description="broker user; empty for the embedded broker on loopback")
    mqtt_password: SecretStr = Field(SecretStr(""), description="broker password")
    mqtt_password_file: Path | None = Field(
        None, description="file holding the broker password, preferred to the variable"
    )
    mqtt_tls_ca: Path | None = Field(None, description="CA certificate file; switches TLS on")
    topic_root: str = Field(DEFAULT_ROOT, description="first part of every topic")
    max_age_days: float = Field(30, gt=0, description="older readings are quarantined; labelled history is exempt")
    max_ahead_s: float = Field(300, gt=0, description="readings whose clock is further ahead are quarantined")
    allowed_devices: re.Pattern[str] | None = Field(
        None, description="pattern of the devices that may speak; any if unset"
    )
    compute: str = Field(
        "local", description="where features are built: `local`, `processes`, or a Dask scheduler, `dask://HOST:PORT`"
    )
    http_host: str = Field(
        "127.0.0.1", description="address on which /healthz and /metrics listen; `0.0.0.0` inside a container"
    )
    reports_url: str = Field("", description="where `home` is served, for links to reports; empty: links to files")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR")

    @field_validator("topic_root")
    @classmethod
    def _root_is_a_topic(cls, root: str) -> str:
        try:
            Topics(root)
        except Exception as error:
            raise ValueError(str(error)) from None
        return root

    @field_validator("store_url")
    @classmethod
    def _store_is_known(cls, url: str) -> str:
        try:
            if url:
                parse_store_url(url)
        except SettingsError as error:
            raise ValueError(error.what) from None
        return url

    @field_validator("compute")
    @classmethod
    def _compute_is_known(cls, where: str) -> str:
        try:
            return checked(where)
        except SettingsError as error:
            raise ValueError(error.what) from None

    @property
    def topics(self) -> Topics:
        """Topics below the configured root."""
        return Topics(self.topic_root)

    @property
    def intake_limits(self) -> IntakeLimits:
        """The bounds every reading must keep."""
        return IntakeLimits(
            max_age_ns=int(self.max_age_days * 24 * NS_PER_HOUR),
            max_ahead_ns=int(self.max_ahead_s * NS_PER_S),
            allowed_devices=self.allowed_devices,
        )

    @property
    def resolved_store_url(self) -> str:
        """The store's URL, the embedded one below `home` where none is set."""
        return self.store_url or f"sqlite:///{self.home.absolute() / 'store' / 'telemetry.sqlite'}"

    def url_of(self, report: Path) -> str:
        """Link to a report below `home`: over HTTP where `reports_url` says so, else to the file."""
        if not self.reports_url:
            return report.as_uri()
        return f"{self.reports_url.rstrip('/')}/{report.relative_to(self.home.absolute()).as_posix()}"

    @property
    def registry_path(self) -> Path:
        """Folder of the model registry."""
        return self.home.absolute() / "registry"

    @property
    def lake_path(self) -> Path:
        """Folder of the Dagster assets' tables and reports."""
        return self.home.absolute() / "lake"

    def password(self) -> str:
        """The broker password. Raises SettingsError where the file it should come from cannot be read."""
        return _secret("PDM_MQTT_PASSWORD_FILE", self.mqtt_password_file, self.mqtt_password)

    def token(self) -> str:
        """The store's token; '' where none is set. Raises SettingsError where its file cannot be read."""
        return _secret("PDM_STORE_TOKEN_FILE", self.store_token_file, self.store_token)

    @property
    def token_from(self) -> str:
        """Where the store's token comes from, for messages about it."""
        if self.store_token_file is not None:
            return f"PDM_STORE_TOKEN_FILE, the file {str(self.store_token_file)!r}"
        return "PDM_STORE_TOKEN" if self.store_token.get_secret_value() else ""


def _secret(variable: str, file: Path | None, value: SecretStr) -> str:
    if file is None:
        return value.get_secret_value()
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{variable}={str(file)!r}: {error.strerror}") from None
