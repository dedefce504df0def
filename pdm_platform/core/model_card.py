"""The model card: what a version is, what it was measured at, and what it must not be used for."""

from collections.abc import Mapping, Sequence
from typing import Final

from pdm_platform.contract.times import iso_of

_FIGURES: Final = (
    ("macro_f1", "state, macro F1", "{:.3f}"),
    ("baseline_macro_f1", "best baseline, macro F1", "{:.3f}"),
    ("mode_macro_f1", "failure mode, macro F1", "{:.3f}"),
    ("health_mae_percent", "health, mean absolute error, %", "{:.1f}"),
    ("rul_coverage", "remaining life, share of 90 % intervals that held the truth", "{:.3f}"),
    ("rul_relative_width", "remaining life, mean width of the interval over the life's length", "{:.2f}"),
    ("warned_share", "failures warned of in time", "{:.3f}"),
    ("false_alarms_per_100_lives", "false alarms in 100 lives", "{:.1f}"),
    ("sensor_faults_taken_for_machine_faults", "sensor faults taken for machine faults", "{:.3f}"),
    ("cost_per_pump_year", "cost of a pump and year, as the page assumes", "{:.0f}"),
    ("cost_run_to_failure", "the same, run to failure", "{:.0f}"),
    ("cost_fixed_interval", "the same, serviced at a fixed interval", "{:.0f}"),
)
_LIMITS: Final = """\
- Trained on simulated centrifugal pumps of 5 kW at 2,850 1/min. On other machines its states are not calibrated:
  retrain on their labelled lives, and judge on pumps that were kept back.
- A pump must be watched from a healthy start, or after a maintenance that its readings tell (`last_maintenance`): all
  is measured against its first 30 readings. A pump first seen worn is told too healthy.
- Remaining life is told only where 40 % of it seem to be consumed. The interval holds the truth in nine of ten readings
over
  many pumps, not for each pump.
- Failure modes that were not in training are told as one of those that were, and show as novelty at best.
- A device's clock that is off by a constant cannot be seen in its readings.
"""


def model_card(
    metrics: Mapping[str, float],
    *,
    training_window: tuple[int, int],
    data_fingerprint: str,
    feature_contract: str,
    modes: Sequence[tuple[str, float]],
    algorithms: Sequence[tuple[str, float]],
) -> str:
    """Markdown. training_window: [start_ns, end_ns). modes: F1 of each; algorithms: macro F1 of each compared."""
    start, end = (iso_of(moment) for moment in training_window)
    figures = [f"| {text} | {form.format(metrics[name])} |" for name, text, form in _FIGURES if name in metrics]
    speeds = [
        f"| {speed} | {_told(metrics, f'macro_f1_{speed}')} | {_told(metrics, f'rul_coverage_{speed}')} |"
        for speed in ("stress", "accelerated", "nominal")
    ]
    lines = [
        "# Model card",
        f"\nTrained on readings from {start} to {end} (fingerprint `{data_fingerprint[:16]}`, feature contract"
        f" `{feature_contract[:16]}`), {metrics.get('trained_pumps', 0):.0f} pumps; judged on"
        f" {metrics.get('unseen_pumps', 0):.0f} pumps that it has not seen.",
        "\n| figure | value |\n|---|---|",
        *figures,
        "\n| speed | state, macro F1 | coverage |\n|---|---|---|",
        *speeds,
        "\n| failure mode | F1 |\n|---|---|",
        *(f"| {mode} | {score:.3f} |" for mode, score in modes),
        "\n| compared by pumps | macro F1 |\n|---|---|",
        *(f"| {name} | {score:.3f} |" for name, score in algorithms),
        f"\n## Limits\n\n{_LIMITS}",
    ]
    return "\n".join(lines)


def _told(metrics: Mapping[str, float], name: str) -> str:
    return f"{metrics[name]:.3f}" if name in metrics else "-"
