"""No library of ours sends usage data: each is told so before it is imported."""

import os

NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "DAGSTER_DISABLE_TELEMETRY": "1",
}


def send_nothing() -> None:
    """Set the switches for this process and its children; one that is set already stays."""
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)
