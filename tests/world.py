"""A platform in a folder of its own: real store, lake, registry, simulators, and a broker that is also the bridge."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import msgspec
import pyarrow as pa
import pytest

from pdm_platform.contract.measurements import ALL_TIME, PUMP_LABELS
from pdm_platform.contract.payloads import Labelled, decode
from pdm_platform.contract.times import time_ns_of
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.core import comparison
from pdm_platform.definitions import defs
from pdm_platform.defs.failures import description_of
from pdm_platform.defs.resources import Broker, Platform
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.lake import Lake
from pdm_platform.stores.registry import Registry
from pdm_platform.stores.telemetry import open_store

# few lives teach too little to pass the gates
PLAN = "stress:120,accelerated:8"
LIVES = 128
WINDOW_END = "2026-03-01T00:00:00Z"
WHOLE = ALL_TIME


class BridgingLink:
    """Takes what is published as the broker would, and stores labelled readings at each flush as the bridge would."""

    def __init__(self, settings: PlatformSettings, retained: dict[str, bytes], lose: int) -> None:
        self._settings, self._retained, self._lose = settings, retained, lose
        self._waiting: list[dict[str, Any]] = []

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> int:
        assert qos == 1
        if retain:
            self._retained[topic] = payload
        elif Topics().parse(topic).kind is Kind.TRAINING:
            self._waiting.append(_row(decode(Labelled, payload)))
        return 1

    def flush(self, timeout_s: float) -> bool:
        assert timeout_s > 0
        kept, self._waiting = self._waiting[self._lose :], []
        if kept:
            store = open_store(self._settings.resolved_store_url)
            store.write(PUMP_LABELS, pa.Table.from_pylist(kept, schema=PUMP_LABELS.schema))
            store.close()
        return True

    def check(self) -> None:
        """It never refuses."""


def _row(reading: Labelled) -> dict[str, Any]:
    assert reading.timestamp is not None
    fields = msgspec.structs.asdict(reading)
    return {**fields, "time_ns": time_ns_of(reading.timestamp), "ground_truth": reading.ground_truth.value}


RETAINED: dict[str, bytes] = {}


class BridgingBroker(Broker):
    """lose: readings of each batch that never reach the store."""

    lose: int = 0

    @contextmanager
    def link(self) -> Iterator[Any]:
        yield BridgingLink(PlatformSettings.load(), RETAINED, self.lose)


@dataclass(frozen=True)
class Run:
    """What a run left in Dagster's event log."""

    result: dg.ExecuteInProcessResult

    @property
    def success(self) -> bool:
        return self.result.success

    @property
    def failures(self) -> list[str]:
        """The descriptions of the steps that failed."""
        return [description_of(event) for event in self.result.all_events if event.is_step_failure]

    @property
    def failure(self) -> str:
        """The description of the one step that failed."""
        (description,) = self.failures
        return description

    @property
    def checks(self) -> dict[str, bool]:
        """Whether each check that ran passed."""
        return {check.check_name: check.passed for check in self.result.get_asset_check_evaluations()}

    def check(self, name: str) -> dict[str, Any]:
        """Metadata values of one check."""
        (found,) = [check for check in self.result.get_asset_check_evaluations() if check.check_name == name]
        return {label: value.value for label, value in found.metadata.items()}

    def metadata(self, asset: str) -> dict[str, Any]:
        """Metadata values of an asset's materialisation."""
        (event,) = self.result.asset_materializations_for_node(asset)
        return {label: value.value for label, value in event.metadata.items()}


@dataclass
class World:
    """The platform below `home`, which the environment names while the test runs."""

    home: Path
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    @property
    def lake(self) -> Lake:
        return Lake(self.home / "lake")

    @property
    def registry(self) -> Registry:
        return Registry(self.home / "registry")

    def lake_facts(self) -> dict[str, Any]:
        """What is current in the lake, by asset."""
        return {path.parent.name: path.read_text("utf-8") for path in (self.home / "lake").glob("*/current.json")}

    @contextmanager
    def store(self) -> Iterator[Any]:
        store = open_store(f"sqlite:///{self.home / 'store' / 'telemetry.sqlite'}")
        yield store
        store.close()

    def evaluate_check(self, asset: str, name: str) -> Run:
        """Run one check without its asset, as the UI can."""
        return self._run(dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(asset), name)), {}, 0)

    def materialize(
        self, *names: str, config: Mapping[str, dict[str, Any]] = MappingProxyType({}), lose: int = 0
    ) -> Run:
        """Materialise these assets with their checks, as the UI would; `config` by asset name."""
        asset_graph = defs.resolve_asset_graph()
        keys = [dg.AssetKey(name) for name in names]
        checks = [key for key in asset_graph.asset_check_keys if key.asset_key in keys]
        return self._run(dg.AssetSelection.assets(*keys) | dg.AssetSelection.checks(*checks), config, lose)

    def _run(self, selection: dg.AssetSelection, config: Mapping[str, dict[str, Any]], lose: int) -> Run:
        chosen = dg.Definitions(
            assets=defs.assets,
            asset_checks=defs.asset_checks,
            jobs=[dg.define_asset_job("chosen", selection=selection)],
            resources={"platform": Platform(), "broker": BridgingBroker(lose=lose)},
            executor=dg.in_process_executor,
        )
        result = chosen.resolve_job_def("chosen").execute_in_process(
            run_config={"ops": {name: {"config": values} for name, values in config.items()}},
            instance=self.instance,
            raise_on_error=False,
        )
        return Run(result)


FLOW = (
    "simulated_lifecycles",
    "telemetry_window",
    "validated_telemetry",
    "feature_table",
    "candidate_model",
    "model_evaluation",
    "production_model",
)
SMALL: dict[str, dict[str, Any]] = {
    "simulated_lifecycles": {"seed": 7, "plan": PLAN, "window_end": WINDOW_END},
    "telemetry_window": {"window_end": WINDOW_END},
    "candidate_model": {"search_seconds": 0},
}


def enter(home: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world below `home`, named by the environment as long as the monkeypatch lasts."""
    for name in ("PDM_STORE_URL", "PDM_TOPIC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PDM_HOME", str(home))
    (home / "store").mkdir(parents=True, exist_ok=True)
    RETAINED.clear()
    return World(home)


@dataclass(frozen=True)
class FirstRun:
    """The whole flow on a small plan: where it ran, what it told, and what it left at the broker."""

    home: Path
    run: Run
    retained: dict[str, bytes]


@cache
def first_run(home: Path) -> FirstRun:
    """The flow, run once for all tests that name this home; they must not change it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(comparison, "_ROWS_OF_A_STATE", 3)  # a short comparison, of which nothing here depends
        run = enter(home, monkeypatch).materialize(*FLOW, config=SMALL)
        assert run.success, (run.failures, [name for name, passed in run.checks.items() if not passed])
        return FirstRun(home, run, dict(RETAINED))


def rewrite_labels(world: World, change: Callable[[pa.Table], pa.Table]) -> None:
    """Put other labelled readings in place of those of the store."""
    path = world.home / "store" / "telemetry.sqlite"
    with world.store() as store:
        table = store.read(PUMP_LABELS, WHOLE)
    for each in path.parent.glob(f"{path.name}*"):  # its write-ahead log too: another store's would be replayed into it
        each.unlink()
    with world.store() as store:
        store.write(PUMP_LABELS, change(table))


def changed(table: pa.Table, name: str, change: Callable[[pa.ChunkedArray], Any]) -> pa.Table:
    """The table with one column changed."""
    return table.set_column(table.schema.get_field_index(name), name, change(table[name]))
