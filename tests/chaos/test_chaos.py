"""Nothing acknowledged is lost, nothing stored twice: the short form of `make chaos`, with the same parts.

A failure prints the command that runs the same faults again.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.faults import What
from tests.chaos.run import Order, run
from tests.servers.influxd import needs_own_influxd
from tests.servers.mosquitto import needs_mosquitto

pytestmark = pytest.mark.integration
READINGS = 24_000
# Fast enough to load all parts, slow enough for three faults to take place while it lasts.
RATE_HZ = 4_000.0
LONGEST_S = 1.0

NATS = pytest.param("nats", id="nats")
MOSQUITTO = pytest.param("mosquitto", id="mosquitto", marks=needs_mosquitto)


def assert_nothing_is_lost(folder: Path, broker: str, store: str, kinds: Sequence[What], seed: int) -> None:
    order = Order(broker, store, READINGS, len(kinds), seed, RATE_HZ, LONGEST_S, kinds)

    verdict = run(order, folder).verdict

    again = (
        f"python -m tests.chaos --broker {broker} --store {store} --seed {seed} --readings {READINGS}"
        f" --faults {len(kinds)} --rate {RATE_HZ:g} --longest {LONGEST_S:g}"
        + "".join(f' --only "{kind}"' for kind in kinds)
    )
    assert verdict.good, "\n".join([*verdict.lines(), again])
    assert verdict.acknowledged == READINGS
    assert verdict.stored == READINGS - sum(toll.lost for toll in verdict.tolls)


@pytest.mark.parametrize("broker", [NATS, MOSQUITTO])
def test_with_the_embedded_store_when_a_process_is_killed_another_frozen_and_a_connection_cut(
    tmp_path: Path, broker: str
) -> None:
    kinds = [What.KILL_BROKER, What.FREEZE_BRIDGE, What.CUT_PUBLISHERS]

    assert_nothing_is_lost(tmp_path, broker, "sqlite", kinds, seed=1)


@pytest.mark.parametrize("broker", [NATS, MOSQUITTO])
def test_with_the_embedded_store_when_it_cannot_write_and_the_bridge_is_killed_unseen(
    tmp_path: Path, broker: str
) -> None:
    kinds = [What.LOCK_STORE, What.KILL_BRIDGE_UNSEEN, What.RESTART_BROKER]

    assert_nothing_is_lost(tmp_path, broker, "sqlite", kinds, seed=2)


@needs_own_influxd
@pytest.mark.parametrize("broker", [NATS, MOSQUITTO])
def test_with_influxdb_when_it_is_killed_cut_off_and_the_broker_frozen(tmp_path: Path, broker: str) -> None:
    kinds = [What.KILL_STORE, What.CUT_STORE, What.FREEZE_BROKER]

    assert_nothing_is_lost(tmp_path, broker, "influxdb", kinds, seed=3)
