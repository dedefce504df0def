"""Fills a store with what a running plant would have left there, by the code that a plant runs.

The simulators' pumps give the payloads, the inference service's functions predict them, and the bridge's decoder
turns all of it into the tables that it writes. Only the broker between them is left out.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pdm_platform.contract.intake import IntakeLimits
from pdm_platform.contract.payloads import Telemetry, decode, encode
from pdm_platform.contract.times import NS_PER_S, time_ns_of
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.core.monitoring import FleetState
from pdm_platform.inference.loader import LoadedModel
from pdm_platform.inference.predictor import TimedReading, answer
from pdm_platform.runtime.mqtt import Message
from pdm_platform.stores.telemetry import TelemetryStore
from sensors_bridge.decode import Decoder
from sensors_bridge.gaps import Gaps
from sensors_bridge.tables import to_table
from simulators.live import LiveFleet
from simulators.plans import FleetPlan

LIMITS = IntakeLimits(max_age_ns=30 * 86_400 * NS_PER_S, max_ahead_ns=300 * NS_PER_S)
TOPICS = Topics()
Change = Callable[[Telemetry, int], Telemetry | None]
_BATCH = 20_000


def _as_is(reading: Telemetry, _time_ns: int) -> Telemetry:
    return reading


@dataclass(slots=True)
class Plant:
    """Simulated pumps, the service that predicts them, and the bridge's way into the store."""

    store: TelemetryStore
    model: LoadedModel
    decoder: Decoder = field(default_factory=lambda: Decoder(TOPICS, LIMITS, Gaps()))
    state: FleetState = field(default_factory=FleetState.empty)
    stored: int = 0

    def live(
        self,
        plan: FleetPlan,
        start_ms: int,
        end_ms: int,
        *,
        names: Sequence[str] | None = None,
        change: Change = _as_is,
    ) -> None:
        """Let the fleet of `plan` live from start_ms to end_ms (epoch ms) and store all it says.

        names: device ids in place of pump-001 and so on. change: what becomes of a reading and its time in ns on its
        way; None is lost.
        """
        fleet = LiveFleet(plan, start_ms)
        if names is not None:
            fleet.device_ids = tuple(names)
        waiting: list[Telemetry] = []
        for payload in _payloads(fleet, end_ms):
            reading = decode(Telemetry, payload)
            assert reading.timestamp is not None
            if (kept := change(reading, time_ns_of(reading.timestamp))) is not None:
                waiting.append(kept)
            if len(waiting) >= _BATCH:
                self._pass(waiting)
                waiting = []
        self._pass(waiting)

    def _pass(self, readings: Sequence[Telemetry]) -> None:
        if not readings:
            return
        now_ns = time.time_ns()
        messages = [_message(Kind.TELEMETRY, one.device_id, encode(one), now_ns) for one in readings]
        timed = [TimedReading(one, time_ns_of(one.timestamp)) for one in readings if one.timestamp is not None]
        predictions, alarms = answer(self.state, self.model, timed, now_ns)
        messages += [_message(Kind.PREDICTION, one.device_id, encode(one), now_ns) for one in predictions]
        messages += [_message(Kind.ALARM, one.device_id, encode(one), now_ns) for one in alarms]
        decoded = self.decoder.decode(messages)
        assert not decoded.rejected, decoded.rejected[0].reason
        for rows in decoded.rows:
            self.store.write(rows.measurement, to_table(rows))
        self.stored += len(readings)


def _payloads(fleet: LiveFleet, end_ms: int) -> Iterator[bytes]:
    while (due_ms := fleet.next_due_ms) is not None and due_ms <= end_ms:
        batch = fleet.take(due_ms + 999)
        assert batch is not None
        yield from batch.payloads


def _message(kind: Kind, device_id: str, payload: bytes, now_ns: int) -> Message:
    return Message(TOPICS.of(kind, device_id), payload, 1, False, False, 1, now_ns, 1)
