"""What the assets reach the outside with. Settings are read when a run uses them, never at import."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from pdm_platform.runtime.mqtt import Link
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.lake import Lake
from pdm_platform.stores.registry import Registry
from pdm_platform.stores.telemetry import TelemetryStore, open_platform_store

_CONNECT_WITHIN_S = 10.0


class Platform(dg.ConfigurableResource[None]):
    """The store, the lake and the model registry of the settings (`PDM_…`)."""

    @property
    def settings(self) -> PlatformSettings:
        """The settings as the environment has them now. Raises SettingsError."""
        return PlatformSettings.load()

    @contextmanager
    def store(self) -> Iterator[TelemetryStore]:
        """The time-series store, closed afterwards. Raises SettingsError, StoreError."""
        store = open_platform_store(self.settings)
        try:
            yield store
        finally:
            store.close()

    @property
    def lake(self) -> Lake:
        """What the assets have stored."""
        return Lake(self.settings.lake_path)

    @property
    def registry(self) -> Registry:
        """The model versions."""
        return Registry(self.settings.registry_path)


class Broker(dg.ConfigurableResource[None]):
    """A connection to the MQTT broker for as long as a step needs it."""

    @contextmanager
    def link(self) -> Iterator[Link]:
        """A connected link, stopped afterwards. Raises BrokerError where no broker answers."""
        # a name of its own: the broker would cut off another run that used the same one
        link = Link(PlatformSettings.load(), f"pdm-dagster-{os.getpid()}", persistent=False)
        link.start()
        try:
            link.wait_ready(_CONNECT_WITHIN_S)
            yield link
        finally:
            link.stop()
