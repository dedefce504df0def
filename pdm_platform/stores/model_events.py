"""What the time-series store keeps of model versions, for whoever looks at predictions over time."""

import pyarrow as pa

from pdm_platform.contract.measurements import MODEL_EVENT, MODEL_METRIC
from pdm_platform.contract.times import time_ns_of
from pdm_platform.stores.ledger import LedgerEntry
from pdm_platform.stores.manifest import Manifest


def event_of(entry: LedgerEntry) -> pa.Table:
    """One row of MODEL_EVENT for one line of the registry's ledger."""
    row = {
        "event": entry.action.value,
        "time_ns": time_ns_of(entry.at),
        "version": entry.to_version,
        "previous": entry.from_version,
        "actor": entry.actor,
        "reason": entry.reason,
    }
    return pa.Table.from_pylist([row], schema=MODEL_EVENT.schema)


def metrics_of(manifest: Manifest) -> pa.Table:
    """Rows of MODEL_METRIC: each metric of one version, at the time of its registration."""
    time_ns = time_ns_of(manifest.created_at)
    rows = [
        {"version": manifest.version, "metric": name, "time_ns": time_ns, "value": value}
        for name, value in manifest.metrics.items()
    ]
    return pa.Table.from_pylist(rows, schema=MODEL_METRIC.schema)
