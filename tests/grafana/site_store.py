"""An InfluxDB made ready as `pdmctl store init` does it, with the tokens that each service gets."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pdm_platform.contract.measurements import Window
from pdm_platform.contract.topics import Topics
from pdm_platform.deployment import secrets
from pdm_platform.deployment.settings import DeploymentSettings
from pdm_platform.deployment.store_init import OPERATOR_TOKEN, initialise
from pdm_platform.deployment.store_tasks import WIDTHS, hourly, window_flux
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.influx_buckets import DEFAULT_PREFIX
from tests.servers.influxd import Influxd

# so that each query is answered within seconds
_AT_ONCE_H = 4


@dataclass(frozen=True)
class SiteStore:
    """The server and the folder of its secrets."""

    influxd: Influxd
    secrets_dir: Path

    @property
    def url(self) -> str:
        """PDM_STORE_URL."""
        return self.influxd.store_url(DEFAULT_PREFIX)

    def token(self, service: str) -> str:
        """A service's token, which may do what the service needs and no more."""
        return (self.secrets_dir / service / "store-token").read_text(encoding="utf-8")

    def downsample(self, window: Window) -> None:
        """Fill the downsampled buckets over a window by the Flux of the store's tasks."""
        hours = hourly(window)
        for first, last in zip(hours[::_AT_ONCE_H], [*hours[_AT_ONCE_H - 1 :: _AT_ONCE_H], hours[-1]], strict=False):
            part = Window(first.start_ns, last.end_ns)
            for bucket in WIDTHS:
                self.influxd.flux(window_flux(DEFAULT_PREFIX, self.influxd.org, bucket, part))


def made_ready(influxd: Influxd, folder: Path, *metrics_targets: str) -> SiteStore:
    """Set up a started server, with all its secrets below `folder`; its metrics come from these addresses."""
    settings = DeploymentSettings(secrets_dir=folder / "secrets", metrics_targets=",".join(metrics_targets))
    secrets.init(settings, Topics(), datetime.now(UTC))
    influxd.operator_token = (settings.secrets_dir / OPERATOR_TOKEN).read_text(encoding="utf-8").strip()
    store = SiteStore(influxd, settings.secrets_dir)
    platform = PlatformSettings(home=folder, store_url=store.url)
    steps = list(initialise(settings, platform, lambda _text: None))
    assert {step.done for step in steps} == {"made", "kept"}
    return store
