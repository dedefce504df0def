"""Rejected messages for tests of the quarantine: what a bridge with the default limits rejects now."""

import json
import time
from pathlib import Path

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.runtime.mqtt import Message
from sensors_bridge.decode import Cause, Rejection
from sensors_bridge.quarantine import Quarantine
from sensors_bridge.quarantine_index import Entry, entries

TOPIC = "factory/pumps/pump-1/telemetry"
HOUR_NS = 3_600 * 10**9


def reading(**changes: object) -> bytes:
    """A reading of pump-1 without a timestamp; what is None in `changes` is left out."""
    fields = {"device_id": "pump-1", **dict.fromkeys(CHANNEL_NAMES, 1.0), **changes}
    return json.dumps(fields).encode()


def rejection(
    payload: bytes,
    cause: Cause = Cause.DEVICE,
    *,
    topic: str = TOPIC,
    reason: str = "rejected",
    received_ns: int | None = None,
    retain: bool = False,
) -> Rejection:
    """Received an hour ago, unless told otherwise."""
    when_ns = time.time_ns() - HOUR_NS if received_ns is None else received_ns
    return Rejection(Message(topic, payload, 1, retain, False, 1, when_ns, 1), cause, reason)


def kept(folder: Path, *rejections: Rejection) -> list[Entry]:
    """Put these into the quarantine; all that lies there now."""
    Quarantine(folder).keep(rejections)
    return list(entries(folder))
