"""What really happened to a simulated fleet, as `pdmctl simulate production --truth FILE` wrote it down."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import Disturbance, SensorFault

_FAILURE: Final = "failure"
_SENSOR_KINDS: Final = frozenset({"sensor_fault", Disturbance.SENSOR_FREEZE, *SensorFault})


@dataclass(frozen=True, slots=True)
class TrueEvent:
    """Something that happened to a pump. detail: of a failure its mode, of a sensor's fault the channel among it."""

    kind: str
    device_id: str
    time_ns: int
    detail: str


def read_truth(path: Path) -> list[TrueEvent]:
    """The events of the file by time; none where there is no file. A last line that was cut off is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            event = json.loads(line)
            found.append(TrueEvent(event["kind"], event["device_id"], int(event["time_ns"]), str(event["detail"])))
    return sorted(found, key=lambda event: event.time_ns)


def failure_of(truth: Sequence[TrueEvent], device_id: str, since_ns: int) -> TrueEvent | None:
    """The first failure of a pump from then on."""
    return next(
        (
            event
            for event in truth
            if event.kind == _FAILURE and event.device_id == device_id and event.time_ns >= since_ns
        ),
        None,
    )


def lying_sensors(truth: Sequence[TrueEvent]) -> set[tuple[str, str]]:
    """Device and channel of every sensor that lied."""
    return {
        (event.device_id, channel)
        for event in truth
        if event.kind in _SENSOR_KINDS
        for channel in CHANNEL_NAMES
        if channel in event.detail
    }
