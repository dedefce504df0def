"""What the time-series store keeps of a promotion or rollback, for whoever looks at predictions over time."""

import pyarrow as pa

from pdm_platform.contract.measurements import MODEL_EVENT
from pdm_platform.contract.times import time_ns_of
from pdm_platform.stores.ledger import LedgerEntry


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
