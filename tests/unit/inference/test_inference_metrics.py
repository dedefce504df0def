"""The histogram that takes many values at once counts as Prometheus' own does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from pdm_platform.inference.metrics import _LATENCY_SECONDS, BatchHistogram

EDGES = st.sampled_from(_LATENCY_SECONDS)
VALUES = st.one_of(EDGES, st.floats(0.0, 1_000.0), st.just(float("inf")))


def scraped(registry: CollectorRegistry) -> dict[str, float]:
    """What /metrics shows, without the time of creation, which services leave out."""
    lines = generate_latest(registry).decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        if "_created" not in name
    }


@given(st.lists(st.lists(VALUES, max_size=20), max_size=5))
def test_it_shows_what_prometheus_shows_of_the_same_values(batches: list[list[float]]) -> None:
    one, other = CollectorRegistry(), CollectorRegistry()
    ours = BatchHistogram("seconds", "How long", _LATENCY_SECONDS, one)
    theirs = Histogram("seconds", "How long", buckets=_LATENCY_SECONDS, registry=other)

    for batch in batches:
        ours.observe(np.array(batch))
        for value in batch:
            theirs.observe(value)

    assert scraped(one) == pytest.approx(scraped(other))
    assert scraped(one)['seconds_bucket{le="+Inf"}'] == sum(map(len, batches))


def test_it_is_there_before_the_first_value() -> None:
    registry = CollectorRegistry()
    BatchHistogram("seconds", "How long", (1.0, 2.0), registry)

    assert b"# TYPE seconds histogram" in generate_latest(registry)
    assert set(scraped(registry).values()) == {0.0}
