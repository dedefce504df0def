"""Figures of a version that may serve: the one home of what passes every gate."""

from typing import Final

# passes every gate on a version's own evidence
GOOD_METRICS: Final = {
    "macro_f1": 0.9,
    "baseline_macro_f1": 0.5,
    "health_mae_percent": 5.0,
    "unseen_pumps": 8.0,
    "rul_coverage": 0.9,
    "false_alarms_per_100_lives": 1.0,
    "missed_share": 0.02,
    "modes_trained": 8.0,
    "modes_without_training": 0.0,
    "split_leak": 0.0,
}
# what is measured of a version beside another one
MEASURED: Final = {
    "cost_per_pump_year": 2_000.0,
    "false_alarms_per_100_lives": 2.0,
    "missed_share": 0.05,
    "macro_f1": 0.8,
    "unseen_lives": 20.0,
    "unseen_readings": 9_000.0,
    "failures": 17.0,
}
