"""What a drift report leaves: rows of the store, checks, and a table of the evidence."""

import json
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from pdm_platform.contract.measurements import DRIFT_SCORE, Window
from pdm_platform.core.drift import DRIFTED_SHARE, DriftJudgement
from pdm_platform.core.drift_evidence import Cause, Diagnosis

# The name of the verdict over all channels, beside theirs.
FLEET: Final = "fleet"
SHOWN: Final = ("channel", "score", "threshold", "ks", "drifted", "method")


def score_rows(judged: DriftJudgement, diagnosis: Diagnosis, window: Window, version: str) -> pa.Table:
    """Rows of DRIFT_SCORE at the end of the window: channels, predictions that could be compared, and the fleet.

    The fleet's row has the cause, and its evidence as JSON: figures by candidate cause.
    """
    common = {
        "time_ns": window.end_ns,
        "window_start_ns": window.start_ns,
        "rows": judged.current_rows,
        "model_version": version,
    }
    compared = [*judged.channels, *(one for one in judged.predictions if one.score is not None)]
    rows: list[dict[str, Any]] = [
        {
            "channel": one.channel,
            "score": one.score,
            "threshold": one.threshold,
            "drifted": int(one.drifted),
            "method": one.method,
            "ks": one.ks,
            **common,
        }
        for one in compared
    ]
    fleet = {
        "channel": FLEET,
        "score": judged.share_drifted,
        "threshold": DRIFTED_SHARE,
        "drifted": int(diagnosis.drifted),
        "cause": diagnosis.cause.value,
        "evidence": json.dumps(diagnosis.evidence),
        **common,
    }
    return pa.Table.from_pylist([*rows, fleet], schema=DRIFT_SCORE.schema)


def facts_of(judged: DriftJudgement, diagnosis: Diagnosis) -> dict[str, Any]:
    """What the report's metadata say of the judgement and of its causes."""
    return {
        "summary": f"{_summary(diagnosis)}, largest score {judged.largest_score:.2f}",
        "share_drifted": judged.share_drifted,
        "largest_score": judged.largest_score,
        "predictions_drifted": judged.predictions_drifted,
        "healthy_compared": judged.current_rows,
        "reference_rows": judged.reference_rows,
        "diagnosis": dg.MetadataValue.md(_evidence_table(diagnosis)),
    }


def _summary(diagnosis: Diagnosis) -> str:
    verdict = "drifted" if diagnosis.drifted else "no drift"
    if diagnosis.cause is Cause.NONE:
        return verdict
    named = next((one.pumps for one in diagnosis.candidates if one.cause is diagnosis.cause), ())
    return f"{verdict}, {diagnosis.cause.value.replace('_', ' ')}" + (
        f" ({len(named)} pumps)" if len(named) > 1 else "".join(f" ({name})" for name in named)
    )


def _evidence_table(diagnosis: Diagnosis) -> str:
    """Markdown: each candidate cause, whether it was found, on which pumps, and the figures that decided."""
    lines = ["| cause | found | pumps | figures |", "|---|---|---|---|"]
    for one in diagnosis.candidates:
        figures = "; ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in one.figures.items() if value != "" and value == value
        )
        pumps = ", ".join(one.pumps[:10]) + (f" and {len(one.pumps) - 10} more" if len(one.pumps) > 10 else "")
        lines.append(f"| {one.cause.value} | {'yes' if one.found else 'no'} | {pumps} | {figures} |")
    return "\n".join(lines)


def drift_checks(judged: DriftJudgement, diagnosis: Diagnosis) -> list[dg.AssetCheckResult]:
    """That healthy operation is as in training, and that no sensor contradicts the others."""
    evidence = diagnosis.evidence.get(Cause.SENSOR_FAULT.value, {})
    return [
        dg.AssetCheckResult(
            check_name="no_drift",
            passed=not diagnosis.drifted,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "observed": f"{judged.share_drifted:.0%} of the channels drifted,"
                f" largest score {judged.largest_score:.2f}; cause: {diagnosis.cause.value}",
                "expected": judged.rule,
                "rows": judged.current_rows,
            },
        ),
        dg.AssetCheckResult(
            check_name="sensors_agree",
            passed=not evidence.get("found", 0),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "observed": str(evidence.get("sensors") or "every sensor fits the others"),
                "expected": "no sensor that alone explains an unusual pump",
                "rows": judged.current_rows,
            },
        ),
    ]
