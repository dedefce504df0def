"""What the bridge counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pdm_platform.runtime.deliveries import Deliveries
from pdm_platform.runtime.mqtt_session import Session
from sensors_bridge.decode import Cause
from sensors_bridge.rejected import Announcer

_BATCH_SIZES = (1, 10, 100, 500, 1_000, 2_000, 5_000, 10_000)
_WRITE_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class Metrics:
    """The bridge's counters and gauges, all named `pdm_bridge_…`."""

    def __init__(
        self, registry: CollectorRegistry, session: Session, deliveries: Deliveries, announcer: Announcer
    ) -> None:
        self._registry = registry
        self.received = Counter("pdm_bridge_received", "Messages taken from the broker", registry=registry)
        self.stored = Counter("pdm_bridge_stored", "Rows durably written", ["measurement"], registry=registry)
        self.quarantined = Counter(
            "pdm_bridge_quarantined", "Messages kept in quarantine, by what they break", ["cause"], registry=registry
        )
        self.duplicates = Counter(
            "pdm_bridge_duplicates",
            "Redelivered readings, known or undecidable",
            ["kind"],
            registry=registry,
        )
        # at 0 from the start: whoever looks at increases would not see the first of a counter that comes with it
        for cause in Cause:
            self.quarantined.labels(cause)
        for kind in ("known", "undecidable"):
            self.duplicates.labels(kind)
        self.passed_over = Counter(
            "pdm_bridge_passed_over", "Messages that the contract knows and the store does not keep", registry=registry
        )
        self.missing = Gauge(
            "pdm_bridge_missing_readings", "Holes in measurement_id since the start", ["device_id"], registry=registry
        )
        self.batch_size = Histogram(
            "pdm_bridge_batch_messages", "Messages in one batch", buckets=_BATCH_SIZES, registry=registry
        )
        self.write_s = Histogram(
            "pdm_bridge_write_seconds", "Time of one durable write", buckets=_WRITE_SECONDS, registry=registry
        )
        for name, text, read in (
            (
                "repeats",
                "Redeliveries of messages that were still under way or just settled",
                lambda: deliveries.repeats,
            ),
            ("unannounced", "Quarantined messages that were not also published", lambda: announcer.left_out),
            ("queue_length", "Messages that wait", lambda: len(session)),
            ("oldest_waiting_seconds", "How long the oldest waiting message has waited", session.oldest_age_s),
        ):
            self.watch(name, text, read)

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge that asks `read` whenever it is looked at."""
        Gauge(f"pdm_bridge_{name}", text, registry=self._registry).set_function(read)
