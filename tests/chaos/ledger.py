"""The numbered readings of a run: which were sent, which the broker acknowledged and when."""

import time
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from pdm_platform.contract.channels import CHANNEL_NAMES

DEVICES: Final = 200
BoolMatrix = npt.NDArray[np.bool_]
FloatMatrix = npt.NDArray[np.float64]


def device_id(device: int) -> str:
    """The name of the device of this index."""
    return f"pump-{device:03d}"


@dataclass
class Ledger:
    """A row a device, a column a number. Each publisher writes the rows of its own devices only.

    acknowledged_s: monotonic time at which the broker's acknowledgement was read, NaN where none was.
    """

    per_device: int
    sent: BoolMatrix = field(init=False)
    acknowledged_s: FloatMatrix = field(init=False)
    start_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.sent = np.zeros((DEVICES, self.per_device), dtype=np.bool_)
        self.acknowledged_s = np.full((DEVICES, self.per_device), np.nan)
        self.start_ms = time.time_ns() // 10**6 - self.per_device

    @property
    def readings(self) -> int:
        """How many the run is to send."""
        return DEVICES * self.per_device

    @property
    def acknowledged(self) -> BoolMatrix:
        """Which readings the broker took on itself."""
        return ~np.isnan(self.acknowledged_s)

    def payload(self, device: int, number: int) -> bytes:
        """The reading. Half of the devices send their own time, the others are plain clients with a number only."""
        values = ",".join(f'"{name}":{float(number) if name == "rpm" else 1.5}' for name in CHANNEL_NAMES)
        stamp = f',"timestamp":{self.start_ms + number}' if device >= DEVICES // 2 else ""
        return f"{{{mark(device, number)},{values}{stamp}}}".encode()


def mark(device: int, number: int) -> str:
    """The part of a payload that no other reading has."""
    return f'"device_id":"{device_id(device)}","measurement_id":{number}'
