"""Beside the flow: does the fleet still run as it did in training, and do the predictions fit what is known?"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import dagster as dg
import pandas as pd
import pyarrow.compute as pc

from pdm_platform.contract.errors import RegistryError, StoreError
from pdm_platform.contract.measurements import (
    DEVICE,
    DRIFT_SCORE,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
    Window,
)
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S, iso_of, time_of
from pdm_platform.core.drift import judge_drift, running
from pdm_platform.core.drift_diagnosis import diagnose
from pdm_platform.core.drift_levels import first_levels, levels_of
from pdm_platform.core.drift_norm import Norm
from pdm_platform.core.drift_page import drift_page
from pdm_platform.core.quality import judge_predictions, paired
from pdm_platform.defs.drift_result import FLEET, SHOWN, drift_checks, facts_of, score_rows
from pdm_platform.defs.metadata import counts, describe, explained, markdown_table, report
from pdm_platform.defs.promote import production_model
from pdm_platform.defs.resources import Platform
from pdm_platform.defs.windows import between
from pdm_platform.stores.registry import Manifest, Registry

# Levels of pumps further back say little about what they are now, and the store need not be searched for them.
LOOK_BACK_NS: Final = 30 * 24 * NS_PER_HOUR
LEVELS_FILE: Final = "levels.parquet"
_MIN_COVERAGE: Final = 0.99


class LiveWindowConfig(dg.Config):
    """Which live readings: from window_start to window_end (ISO 8601), or the last window_minutes before it or now."""

    window_start: str | None = None
    window_end: str | None = None
    window_minutes: float = 60.0

    def window(self) -> Window:
        """The window in event time. Raises SettingsError naming the field."""
        end_ns = time.time_ns() if self.window_end is None else time_of(self.window_end, "window_end")
        if self.window_start is not None:
            return between(time_of(self.window_start, "window_start"), end_ns, "window_start")
        return between(end_ns - int(self.window_minutes * 60 * NS_PER_S), end_ns, "window_minutes")


@dg.asset(
    group_name="monitor",
    kinds={"evidently"},
    deps=[production_model],
    check_specs=[
        dg.AssetCheckSpec("no_drift", asset="drift_report", description="Healthy operation is as in training."),
        dg.AssetCheckSpec("sensors_agree", asset="drift_report", description="No sensor contradicts the others."),
    ],
)
def drift_report(config: LiveWindowConfig, platform: Platform) -> Iterator[dg.MaterializeResult[None]]:
    """How far operation and predictions have moved from training, by channel (Evidently), and why.

    Channels are compared over readings that the platform predicts HEALTHY: wear is no drift. The cause is told from
    all of them.
    """
    with explained():
        window = config.window()
        version, reference = _reference(platform.registry)
        telemetry, predictions = _live(platform, window)
        current = paired(telemetry, predictions)
        judged = judge_drift(reference, current)
        levels = levels_of(current, reference)
        first = first_levels(_earlier(platform, reference, window), list(levels.index))
        diagnosis = diagnose(judged, Norm.of(reference), levels, first)
        folder = platform.lake.folder("drift_report", window)
        levels.to_parquet(folder / LEVELS_FILE)
        page = folder / "drift.html"
        page.write_text(drift_page(reference, current, judged), encoding="utf-8")
        scores = score_rows(judged, diagnosis, window, version)
        with platform.store() as store:
            store.write(DRIFT_SCORE, scores)
        facts: dict[str, Any] = {"model_version": version, "drifted": diagnosis.drifted, "cause": diagnosis.cause.value}
        stored = platform.lake.write("drift_report", scores, window, **facts)
        ran = int(running(telemetry, reference).sum())
        facts |= {"readings": len(telemetry), "running": ran, "share_left_out": 1 - judged.current_rows / ran}
        facts |= {"pumps": len(levels), "pumps_seen_before": len(first)}
        facts |= facts_of(judged, diagnosis)
        table = dg.MetadataValue.md(markdown_table(scores.select(SHOWN)))
        yield dg.MaterializeResult(
            metadata=describe(stored, **facts, scores=table, **report(page)),
            check_results=drift_checks(judged, diagnosis),
        )


def _earlier(platform: Platform, reference: pd.DataFrame, window: Window) -> Iterator[tuple[int, pd.DataFrame]]:
    """Levels of pumps before the window, the oldest first: those of training, then of each earlier drift report."""
    if DEVICE in reference:
        yield 0, levels_of(reference, reference)
    with platform.store() as store:
        scores = store.read(DRIFT_SCORE, Window(max(window.start_ns - LOOK_BACK_NS, 0), window.start_ns + 1))
    fleet = scores.filter(pc.equal(scores["channel"], FLEET))
    spans = zip(fleet["window_start_ns"].to_pylist(), fleet["time_ns"].to_pylist(), strict=True)
    for start_ns, end_ns in sorted(spans):
        path = platform.lake.folder("drift_report", Window(start_ns, end_ns)) / LEVELS_FILE
        if path.is_file():
            yield start_ns, pd.read_parquet(path)


def _reference(registry: Registry) -> tuple[str, pd.DataFrame]:
    manifest = _production(registry)
    return manifest.version, pd.read_parquet(registry.folder(manifest.version) / "reference.parquet")


def _production(registry: Registry) -> Manifest:
    manifest = registry.production_manifest()
    if manifest is None:
        raise RegistryError("no version is in production", hint="Materialise `production_model` first.")
    return manifest


def _live(platform: Platform, window: Window) -> tuple[pd.DataFrame, pd.DataFrame]:
    with platform.store() as store:
        telemetry = store.read(PUMP_TELEMETRY, window)
        predictions = store.read(PUMP_PREDICTION, window)
    if not telemetry.num_rows:
        raise StoreError(
            f"there are no live readings from {iso_of(window.start_ns)} to {iso_of(window.end_ns)}",
            hint="Set window_start and window_end to where there are some, or start a fleet.",
        )
    return telemetry.to_pandas(), predictions.to_pandas()


@dg.asset(
    group_name="monitor",
    kinds={"pandas"},
    deps=[production_model],
    check_specs=[
        dg.AssetCheckSpec(
            "readings_are_predicted", asset="prediction_quality", description="Live readings have their prediction."
        )
    ],
)
def prediction_quality(config: LiveWindowConfig, platform: Platform) -> Iterator[dg.MaterializeResult[None]]:
    """Coverage and mix of the live predictions, and their error where readings carry the true health."""
    with explained():
        window = config.window()
        quality = judge_predictions(*_live(platform, window))
        facts = {name: value for name, value in asdict(quality).items() if value == value}  # NaN: nothing to judge by
        stored = platform.lake.write_facts("prediction_quality", window, **facts)
        facts["state_mix"] = counts(quality.state_mix)
        summary = f"{quality.predicted:,} of {quality.readings:,} readings predicted"
        yield dg.MaterializeResult(
            metadata=describe(stored, summary=summary, **facts),
            check_results=[
                dg.AssetCheckResult(
                    check_name="readings_are_predicted",
                    passed=quality.coverage >= _MIN_COVERAGE,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={
                        "observed": quality.coverage,
                        "expected": f">= {_MIN_COVERAGE}",
                        "rows": quality.readings,
                    },
                )
            ],
        )
