"""Plans."""

from typing import Any

import pytest

from pdm_platform.contract.errors import SettingsError
from pdm_platform.contract.failure_modes import Disturbance, SensorFault
from simulators.chaos import DISTURBANCES
from simulators.plans import FleetPlan, LivesPlan, parse_chaos, parse_sensor_faults
from simulators.sensors import SENSOR_FAULTS
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


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_cannot_be_is_refused(share: float) -> None:
    with pytest.raises(SettingsError, match="sensor fault share"):
        LivesPlan(sensor_fault_share=share)
    with pytest.raises(SettingsError, match="disturbance share"):
        LivesPlan(disturbance_share=share)


def test_rules_read_as_they_are_written() -> None:
    chaos = parse_chaos(["heatwave:0.002:40", "voltage_drop: 1 :7"])
    faults = parse_sensor_faults(["clock_skew:1e-3:20"])

    assert [(DISTURBANCES[rule.kind], rule.probability, rule.readings) for rule in chaos] == [
        (Disturbance.HEATWAVE, 0.002, 40),
        (Disturbance.VOLTAGE_DROP, 1.0, 7),
    ]
    assert [(SENSOR_FAULTS[rule.kind], rule.probability, rule.readings) for rule in faults] == [
        (SensorFault.CLOCK_SKEW, 0.001, 20)
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("heatwave", "1 parts"),
        ("heatwave:0.1:3:4", "4 parts"),
        ("freeze:0.1:3", "'freeze' is not one of"),
        ("heatwave:often:3", "'often' is not a probability"),
        ("heatwave:0:3", "'0' is not a probability"),
        ("heatwave:1.5:3", "'1.5' is not a probability"),
        ("heatwave:nan:3", "'nan' is not a probability"),
        ("heatwave:0.1:0", "'0' is not 1 to"),
        ("heatwave:0.1:-2", "'-2' is not 1 to"),
        ("heatwave:0.1:1e3", "'1e3' is not 1 to"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_its_part(text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        parse_chaos([text])


def test_a_sensor_fault_is_no_disturbance() -> None:
    with pytest.raises(SettingsError, match="'heatwave' is not one of freeze"):
        parse_sensor_faults(["heatwave:0.1:3"])


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
        ({"wearing": False, "failing": 2}, "2 pumps cannot fail"),
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
