"""Services under the load of a benchmark, a few seconds of it: nothing is lost, and what is told of it is there."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import steady
from benchmarks.bench import QUICK, Bench
from benchmarks.figures import Alone
from benchmarks.inference import predictor
from benchmarks.model import another_version
from benchmarks.swap import RATE_HZ, Swapped
from pdm_platform.stores.registry import Manifest, Registry
from tests.servers.mosquitto import needs_mosquitto

pytestmark = [
    pytest.mark.integration,
    needs_mosquitto,
    pytest.mark.skipif(
        not any(shutil.which(name) for name in ("cc", "gcc", "clang")),
        reason="no C compiler on PATH: Debian's package gcc brings one",
    ),
]
Registered = Callable[..., tuple[Registry, Manifest]]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from Linux's /proc")
def test_the_bridge_stores_all_of_a_steady_load_and_its_memory_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bench", 1, 1, replace(QUICK, steady_s=1.0))

    told = steady.PARTS["steady_bridge_embedded"](bench)["steady_bridge_embedded"]

    assert isinstance(told, Alone)
    assert told.details["stored"] == told.details["published"] == steady.EMBEDDED_HZ
    assert 10.0 < told.details["first_minute_mib"] <= told.details["highest_mib"]
    assert told.value == told.details["last_minute_mib"] - told.details["first_minute_mib"]


def test_every_reading_is_answered_once_while_the_model_changes_twice(tmp_path: Path, registered: Registered) -> None:
    registry, first = registered(tmp_path / "registry")
    registry.promote(first.version, actor="a test", reason="to begin with")
    bench = Bench(tmp_path / "bench", 1, 1, QUICK)

    with predictor(
        bench.load, tmp_path / "site", tmp_path / "registry", "simple", PDM_INFERENCE_RELOAD_S="0.2"
    ) as service:
        other = another_version(service.registry, tmp_path / "between")
        side = Swapped(service, other, lasts_s=3.0)
        longest_ms = side.swapped_ms()

    answered = side.details()
    assert longest_ms > 0.0
    assert answered["answered"] == 3 * RATE_HZ
    assert isinstance(answered["versions"], dict)
    assert set(answered["versions"]) == {first.version, other}
    assert sum(answered["versions"].values()) == 3 * RATE_HZ
