"""Names of the services' metrics that dashboards and alerts look at, and what is too much of them."""

from typing import Final

from grafana.queries import metric

RECEIVED: Final = "pdm_bridge_received_total"
STORED: Final = "pdm_bridge_stored_total"
QUARANTINED: Final = "pdm_bridge_quarantined_total"
DUPLICATES: Final = "pdm_bridge_duplicates_total"
LAG: Final = "pdm_bridge_oldest_waiting_seconds"
BRIDGE_QUEUE: Final = "pdm_bridge_queue_length"
MISSING: Final = "pdm_bridge_missing_readings"
WRITES: Final = "pdm_bridge_write_seconds"
PREDICTED: Final = "pdm_inference_predicted_total"
INFERENCE_QUEUE: Final = "pdm_inference_queue_readings"
LATENCY: Final = "pdm_inference_reading_to_prediction_seconds"
LAG_LIMIT_S: Final = 30.0


def increase(name: str) -> str:
    """InfluxQL: how much a counter grew between two looks at it each, as `n`."""
    return f'SELECT non_negative_difference("counter") AS "n" FROM {metric(name)} WHERE $timeFilter GROUP BY *'
