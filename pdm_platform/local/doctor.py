"""`pdmctl doctor`: what works, what does not, and what to do about it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

from pdm_platform.contract.errors import PdmError
from pdm_platform.contract.measurements import ALL_TIME, PUMP_LABELS, PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.core.features import FEATURE_CONTRACT
from pdm_platform.local.config import PARTS
from pdm_platform.runtime.mqtt import Link
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.registry import Registry
from pdm_platform.stores.telemetry import open_platform_store

_CONNECT_WITHIN_S = 3.0
_LOW_DISK_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding: fine or not, what was seen, what to do."""

    name: str
    fine: bool
    seen: str
    advice: str = ""


def _checked(name: str, check: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(name, True, check())
    except PdmError as error:
        return Diagnosis(name, False, f"{error.code} {error.what}", error.hint)


def _settings() -> str:
    for _part, settings in PARTS:
        settings.load()
    return f"all valid, home {PlatformSettings.load().home.absolute()}"


def _broker() -> str:
    platform = PlatformSettings.load()
    link = Link(platform, "pdm-doctor", subscriptions=(platform.topics.everything,), persistent=False)
    link.start()
    try:
        link.wait_ready(_CONNECT_WITHIN_S)
    finally:
        link.stop()
    return f"{platform.mqtt_host}:{platform.mqtt_port} answers and lets us read {platform.topics.everything}"


def _store() -> str:
    platform = PlatformSettings.load()
    store = open_platform_store(platform)
    try:
        counts = [
            f"{store.count(measurement, ALL_TIME)} {measurement.name}"
            for measurement in (PUMP_TELEMETRY, PUMP_LABELS, PUMP_PREDICTION)
        ]
    finally:
        store.close()
    return f"{platform.resolved_store_url}: {', '.join(counts)}"


def _registry() -> Diagnosis:
    try:
        registry = Registry(PlatformSettings.load().registry_path)
        pointer = registry.production()
        if pointer is None:
            return Diagnosis("registry", False, "no model in production", "Run the job `retrain` in the Dagster UI.")
        manifest = registry.load(pointer).manifest
    except PdmError as error:
        return Diagnosis("registry", False, f"{error.code} {error.what}", error.hint)
    if manifest.feature_contract != FEATURE_CONTRACT:
        return Diagnosis("registry", False, f"{pointer.version} was trained on another feature contract", "Retrain it.")
    return Diagnosis("registry", True, f"{pointer.version} is in production and whole")


def _disk() -> Diagnosis:
    home = PlatformSettings.load().home.absolute()
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    seen = f"{free / 1e9:.0f} GB free at {existing}"
    return Diagnosis("disk", free > _LOW_DISK_BYTES, seen, "" if free > _LOW_DISK_BYTES else "Free some space.")


def diagnose() -> list[Diagnosis]:
    """All findings, in the order in which a fault would spread."""
    settings = _checked("settings", _settings)
    if not settings.fine:
        return [settings]
    return [settings, _disk(), _checked("broker", _broker), _checked("store", _store), _registry()]


def run_doctor() -> int:
    """Print the findings; 1 where anything is wrong."""
    console = Console()
    findings = diagnose()
    for found in findings:
        mark = "[green]fine [/]" if found.fine else "[red]wrong[/]"
        console.print(f"{mark} {found.name:9}", end=" ")
        console.print(found.seen, markup=False, highlight=False, soft_wrap=True)
        if found.advice:
            console.print(f"      {found.advice}", markup=False, highlight=False, soft_wrap=True)
    return 0 if all(found.fine for found in findings) else 1
