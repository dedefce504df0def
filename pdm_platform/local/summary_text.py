"""The demo's summary as lines for the terminal: what was right and what was wrong beside each other."""

from pathlib import Path
from typing import Any

from pdm_platform.local.summary import Summary
from pdm_platform.local.words import mode_name


def lines_of(summary: Summary, home: Path) -> list[str]:
    """The whole summary of the run that lies in `home`."""
    folder = home.parent
    warned = f"{summary.failures_warned} of {summary.failures} failures warned of"
    if summary.median_warning_s is not None:
        warned += f", {summary.median_warning_s:g} s before, in the median"
    return [
        f"readings     published {summary.published}, stored {summary.stored}, lost {summary.lost},"
        f" twice {summary.duplicated}, quarantined {summary.quarantined}",
        f"predictions  {summary.predicted} for {summary.devices} pumps, {summary.unpredicted} missing",
        f"model        {summary.model_version}: macro F1 {summary.macro_f1_unseen:.3f} on {summary.unseen_pumps}"
        f" unseen pumps, best baseline {summary.baseline_macro_f1:.3f}",
        f"failures     {warned}; false alarms {summary.false_alarms}, late {summary.late_warnings}",
        *(f"  {failure_line(failure)}" for failure in summary.failed_pumps),
        f"life left    {_intervals(summary)}",
        f"modes        {summary.modes_right} of {summary.modes_told} failures were of the mode that was told",
        f"doubts       {_doubts(summary)}",
        f"drift        {'detected' if summary.drift_detected else 'none'}",
        f"duration     {summary.duration_s:.0f} s",
        "",
        "what was wrong:",
        *(f"  - {text}" for text in summary.wrong),
        "",
        f"summary      {folder / 'summary.json'}",
        f"report       {folder / 'report.html'}",
        f"this run     {home}",
        "next         make dev: the same stack kept running, with the Dagster UI at http://127.0.0.1:3000",
    ]


def failure_line(failure: dict[str, Any]) -> str:
    """What was told of a pump that failed, beside what was so."""
    if failure["warning_s"] is None:
        told = "no warning"
    else:
        told = f"warned {failure['warning_s']:.0f} s before BROKEN, {told_left(failure)}"
    return f"{failure['device_id']}: {told}; {told_mode(failure)}"


def told_left(failure: dict[str, Any]) -> str:
    """The life left that was told with the warning, its interval, and the true one."""
    if failure["said_left_s"] is None:
        return "no life left told"
    told = f"told {failure['said_left_s']:.0f} s left"
    if failure["said_lower_s"] is not None and failure["said_upper_s"] is not None:
        told += f" ({failure['said_lower_s']:.0f} - {failure['said_upper_s']:.0f})"
    if failure["true_left_s"] is None:
        return f"{told}, not failed yet"
    verdict = {True: ", inside", False: ", OUTSIDE", None: ""}[failure["inside"]]
    return f"{told}, it was {failure['true_left_s']:.0f} s{verdict}"


def told_mode(failure: dict[str, Any]) -> str:
    """The failure mode that was told, and the true one."""
    said = f"told {mode_name(failure['said_mode'])}" if failure["said_mode"] else "no mode told"
    return said if failure["true_mode"] is None else f"{said}, was {mode_name(failure['true_mode'])}"


def _intervals(summary: Summary) -> str:
    if summary.interval_share_held is None:
        return "no interval told of a pump that failed"
    return (
        f"{summary.interval_share_held:.0%} of {summary.intervals_told} intervals (90 %) held the truth,"
        f" {summary.intervals_at_warning_held} of {summary.intervals_at_warning} at the warning"
    )


def _doubts(summary: Summary) -> str:
    sensors = f"sensor faults called {summary.sensor_faults_called}"
    if summary.sensor_faults_right is not None:
        sensors += f", right {summary.sensor_faults_right}, missed {summary.sensor_faults_missed}"
    return (
        f"{summary.novel_readings} novel readings on {summary.novel_pumps} pumps, {summary.novel_while_healthy} of them"
        f" while HEALTHY; {sensors};"
        f" {summary.provisional_readings} predictions provisional"
    )
