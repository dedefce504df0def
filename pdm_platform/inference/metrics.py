"""What `/metrics` tells of the inference service."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_LATENCY_SECONDS: Final = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0),
)


class BatchHistogram(Collector):
    """A histogram that takes many observations at once: one by one they cost more than a prediction's features."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name, self._text = name, text
        self._bounds = np.array(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._sum = 0.0
        registry.register(self)

    def observe(self, values: NDArray[np.float64]) -> None:
        """Take in values, shape (n,)."""
        found = np.searchsorted(self._bounds, values, side="left")
        self._counts += np.bincount(found, minlength=len(self._counts))
        self._sum += float(values.sum())

    def collect(self) -> Iterable[Metric]:
        """For the registry."""
        bounds = [*(str(bound) for bound in self._bounds.tolist()), "+Inf"]
        buckets = list(zip(bounds, np.cumsum(self._counts).tolist(), strict=True))
        return [HistogramMetricFamily(self._name, self._text, buckets=buckets, sum_value=self._sum)]


class Metrics:
    """What `/metrics` tells of the service."""

    def __init__(self, registry: CollectorRegistry, waiting: Callable[[], int], repeats: Callable[[], int]) -> None:
        self.predicted = Counter("pdm_inference_predicted", "Predictions published", registry=registry)
        self.alarms = Counter("pdm_inference_alarm_changes", "Alarms raised or returned", registry=registry)
        self.refused = Counter("pdm_inference_refused", "Readings that break the contract", registry=registry)
        self.without_model = Counter("pdm_inference_without_model", "Readings before any model", registry=registry)
        self.skipped = Counter(
            "pdm_inference_skipped", "Stale readings that a newer one of their pump stood in for", registry=registry
        )
        self.repeats = Counter("pdm_inference_repeats", "Untimed readings delivered again", registry=registry)
        self.batch = Histogram(
            "pdm_inference_batch_readings", "Readings a batch", registry=registry, buckets=(1, 10, 100, 1_000, 10_000)
        )
        self.seconds = Histogram(
            "pdm_inference_batch_seconds",
            "Seconds from batch to broker",
            registry=registry,
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
        )
        self.latency = BatchHistogram(
            "pdm_inference_reading_to_prediction_seconds",
            "Seconds from a reading's time to its prediction at the broker",
            _LATENCY_SECONDS,
            registry,
        )
        self.model = Gauge("pdm_inference_model_info", "Model in service", ["version"], registry=registry)
        queue = Gauge("pdm_inference_queue_readings", "Readings waiting in the service", registry=registry)
        queue.set_function(waiting)
        again = Gauge("pdm_inference_redeliveries", "Messages that the broker delivered again", registry=registry)
        again.set_function(repeats)
