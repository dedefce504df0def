"""Beside the flow: does the fleet still run as it did in training, and do the predictions fit what is known?"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

import dagster as dg
import pandas as pd
import pyarrow as pa

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import RegistryError, StoreError
from pdm_platform.contract.measurements import DRIFT_SCORE, PUMP_PREDICTION, PUMP_TELEMETRY, Window
from pdm_platform.contract.states import State
from pdm_platform.contract.times import NS_PER_S, iso_of, time_of
from pdm_platform.core.drift import DRIFTED_SHARE, DriftJudgement, judge_drift
from pdm_platform.core.quality import judge_predictions, paired
from pdm_platform.defs.metadata import counts, describe, explained, markdown_table, report
from pdm_platform.defs.promote import production_model
from pdm_platform.defs.resources import Platform
from pdm_platform.defs.windows import between
from pdm_platform.stores.registry import Manifest, Registry

FLEET: Final = "fleet"
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
        dg.AssetCheckSpec("no_drift", asset="drift_report", description="Healthy operation is as in training.")
    ],
)
def drift_report(config: LiveWindowConfig, platform: Platform) -> Iterator[dg.MaterializeResult[None]]:
    """How far healthy operation has moved from the training reference, channel by channel (Evidently).

    Compared are live readings that the platform predicts HEALTHY with healthy training readings: wear is no drift.
    """
    with explained():
        window = config.window()
        version, reference = _reference(platform.registry)
        telemetry, predictions = _live(platform, window)
        healthy = _healthy(telemetry, predictions)
        judged = judge_drift(reference, healthy)
        page = platform.lake.folder("drift_report", window) / "drift.html"
        page.write_text(judged.html, encoding="utf-8")
        scores = _scores(judged, window, version)
        with platform.store() as store:
            store.write(DRIFT_SCORE, scores)
        stored = platform.lake.write("drift_report", scores, window, model_version=version, drifted=judged.drifted)
        yield dg.MaterializeResult(
            metadata=describe(
                stored,
                summary=f"{'drifted' if judged.drifted else 'no drift'}, largest score {judged.largest_score:.2f}",
                model_version=version,
                drifted=judged.drifted,
                share_drifted=judged.share_drifted,
                largest_score=judged.largest_score,
                readings=len(telemetry),
                healthy_compared=judged.current_rows,
                share_left_out=1 - judged.current_rows / len(telemetry),
                reference_rows=judged.reference_rows,
                scores=dg.MetadataValue.md(markdown_table(scores.select(["channel", "score", "threshold", "drifted"]))),
                **report(page),
            ),
            check_results=[_drift_check(judged)],
        )


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


def _healthy(telemetry: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    joined = paired(telemetry, predictions)
    return joined.loc[joined["predicted_state"] == State.HEALTHY.value, list(CHANNEL_NAMES)]


def _scores(judged: DriftJudgement, window: Window, version: str) -> pa.Table:
    common = {
        "time_ns": window.end_ns,
        "window_start_ns": window.start_ns,
        "rows": judged.current_rows,
        "model_version": version,
    }
    rows = [
        {"channel": one.channel, "score": one.score, "threshold": one.threshold, "drifted": int(one.drifted), **common}
        for one in judged.channels
    ]
    fleet = {
        "channel": FLEET,
        "score": judged.share_drifted,
        "threshold": DRIFTED_SHARE,
        "drifted": int(judged.drifted),
        **common,
    }
    return pa.Table.from_pylist([*rows, fleet], schema=DRIFT_SCORE.schema)


def _drift_check(judged: DriftJudgement) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="no_drift",
        passed=not judged.drifted,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "observed": f"{judged.share_drifted:.0%} of the channels drifted, largest score {judged.largest_score:.2f}",
            "expected": judged.rule,
            "rows": judged.current_rows,
        },
    )


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
