"""Plans."""

from typing import Any

import pytest

from pdm_platform.contract.errors import SettingsError
from simulators.plans import FleetPlan, LivesPlan
from simulators.speeds import Speed


def test_a_plan_reads_as_it_is_written() -> None:
    plan = LivesPlan.parse("nominal:2, stress:24,accelerated:10", seed=3)

    assert plan == LivesPlan(seed=3, stress=24, accelerated=10, nominal=2)
    assert LivesPlan.parse(str(plan), seed=3) == plan


def test_a_speed_left_out_has_no_lives() -> None:
    assert LivesPlan.parse("stress:4").counts == {Speed.STRESS: 4, Speed.ACCELERATED: 0, Speed.NOMINAL: 0}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("slow:3", "'slow'"),
        ("stress", "''"),
        ("stress:-1", "'-1'"),
        ("stress:x", "'x'"),
        ("", "''"),
        ("stress:0", "no lives"),
        ("stress:10001", "10001"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        LivesPlan.parse(text)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(SettingsError, match=str(seed)):
        LivesPlan(seed=seed)


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"pumps": 0}, "0 pumps"),
        ({"pumps": 3, "failing": 4}, "4 failing"),
        ({"pumps": 3, "failing": 0, "chaos_pumps": 4}, "4 chaos"),
        ({"interval_s": 0.0}, "interval of 0.0"),
        ({"interval_s": float("nan")}, "interval of nan"),
        ({"stagger_s": -1.0}, "stagger of -1.0"),
        ({"repair_after_s": float("inf")}, "repair after inf"),
    ],
)
def test_a_fleet_that_cannot_be_is_refused_by_name(facts: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        FleetPlan(**facts)


def test_a_fleet_keeps_its_speeds_interval_unless_told_otherwise() -> None:
    assert FleetPlan(speed=Speed.ACCELERATED).pace_s == 2.0
    assert FleetPlan(speed=Speed.ACCELERATED, interval_s=0.2).pace_s == 0.2
