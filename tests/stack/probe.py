"""A device that publishes numbered readings over TLS, and knows which of them the broker acknowledged."""

import json
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pdm_platform.contract.times import NS_PER_MS
from pdm_platform.contract.topics import Kind
from pdm_platform.runtime.mqtt import Link
from pdm_platform.runtime.settings import PlatformSettings

_INTERVAL_S = 0.05
_READING = {
    "vibration_x": 1.1, "vibration_y": 0.9, "vibration_z": 0.7, "vibration_rms": 1.6,
    "temperature": 38.4, "pressure": 4.2, "current": 7.8, "rpm": 2850,
}  # fmt: skip


class Probe:
    """Publishes a reading every 50 ms at QoS 1 while the block runs; what is not acknowledged is sent again.

    speaks_for: another device, below whose topic it publishes.
    """

    def __init__(self, account: dict[str, Any], port: int, ca: Path, *, speaks_for: str = "") -> None:
        self.device_id = str(account["username"])
        settings = PlatformSettings(
            mqtt_host="localhost",
            mqtt_port=port,
            mqtt_username=self.device_id,
            mqtt_password=account["password"],
            mqtt_tls_ca=ca,
        )
        self.acknowledged: set[int] = set()
        self.published = 0
        self._number_of: dict[int, int] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._link = Link(settings, self.device_id, on_published=self._acknowledged, max_unacknowledged=10_000)
        self._topic = settings.topics.of(Kind.TELEMETRY, speaks_for or self.device_id)
        self._thread = threading.Thread(target=self._publish, name="probe", daemon=True)

    def _acknowledged(self, mid: int) -> None:
        with self._lock:
            self.acknowledged.add(self._number_of.pop(mid))

    def _publish(self) -> None:
        while not self._stop.wait(_INTERVAL_S):
            reading = {
                "device_id": self.device_id,
                "measurement_id": self.published,
                "timestamp": time.time_ns() // NS_PER_MS,
                **_READING,
            }
            with self._lock:
                mid = self._link.publish(self._topic, json.dumps(reading).encode())
                self._number_of[mid] = self.published
            self.published += 1

    def __enter__(self) -> Self:
        self._link.start()
        self._link.wait_ready(30.0)
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(10.0)
        self._link.flush(60.0)
        self._link.stop()
