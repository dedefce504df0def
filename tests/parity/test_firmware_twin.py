"""The firmware's twin is the simulators' pump: the same lifetimes and, to the last digit sent, the same readings.

Tolerance: each channel within one unit of the last digit of its payload, on single readings. The twin reckons in fixed
point, with polynomials for quantiles, sines and exponentials that the simulators look up in tables.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.payloads import Labelled, Telemetry, decode, encode
from simulators.chaos import DISTURBANCES
from simulators.draws import Stream
from simulators.encoding import DECIMALS, labelled_payloads, telemetry_payloads
from simulators.episodes import ByRules, Rule
from simulators.pump import FAILURE_MODES, IN_TURN, Fleet, Readings
from simulators.speeds import SPEEDS, Speed
from tests.pump_twin import fields_of, labelled_lives, needs_compiler, printed_lives, telemetry_lives

pytestmark = needs_compiler
START_MS: Final = 1_790_000_000_000
FIRST: Final = 20_000
# the same for both, of every kind
RULES: Final = (Rule(0, 0.01, 40), Rule(1, 0.02, 5), Rule(2, 0.02, 9), Rule(3, 0.02, 12), Rule(4, 0.01, 7))
# a payload differs where one of eight channels lies within a millionth of the boundary between two digits
MOST_DIFFERENT: Final = 0.01


def fleet_of(seed: int, speed: Speed, pumps: int, generation: int = 0, mode: int = IN_TURN) -> Fleet:
    fleet = Fleet.build(
        seed,
        number=FIRST + np.arange(pumps),
        speed=np.full(pumps, list(Speed).index(speed)),
        interval_s=np.full(pumps, SPEEDS[speed].interval_s),
        mode=np.full(pumps, mode),
    )
    for _ in range(generation):
        fleet = fleet.renewed(np.arange(pumps))
    return fleet


def whole_lives(fleet: Fleet) -> tuple[list[str], Readings, "np.ndarray[Any, np.dtype[np.int64]]"]:
    """Names, readings and steps of the whole lives, pump by pump."""
    lengths = fleet.life.readings
    pump = np.repeat(np.arange(len(lengths)), lengths)
    step = np.arange(len(pump)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return [f"twin-{index + 1:03d}" for index in pump.tolist()], fleet.readings(pump, step), step


def simulated(fleet: Fleet) -> list[bytes]:
    names, readings, step = whole_lives(fleet)
    interval_ms = round(float(fleet.interval_s[0]) * 1_000)
    return labelled_payloads(names, readings, measurement_id=step, time_ms=START_MS + step * interval_ms)


def assert_alike(ours: list[Any], theirs: list[Any], least_equal: float = 1 - MOST_DIFFERENT) -> None:
    """All but the channels is equal; these are within one unit of their last digit, and nearly always equal too."""
    assert len(ours) == len(theirs)
    equal = 0
    for mine, other in zip(ours, theirs, strict=True):
        one, two = fields_of(mine), fields_of(other)
        equal += one == two
        for name, digits in zip(CHANNEL_NAMES, DECIMALS, strict=True):
            assert one.pop(name) == pytest.approx(two.pop(name), abs=1.01 * 10.0**-digits)
        assert one.pop("health_percent") == pytest.approx(two.pop("health_percent"), abs=0.00101)
        assert one == two
    assert equal >= least_equal * len(ours)


@pytest.mark.parametrize(("speed", "pumps"), [(Speed.STRESS, 64), (Speed.ACCELERATED, 16), (Speed.NOMINAL, 2)])
@pytest.mark.parametrize("generation", [0, 1, 4])
def test_the_same_seed_gives_the_same_lives_reading_by_reading(speed: Speed, pumps: int, generation: int) -> None:
    settings = {"seed": 31, "speed": speed, "failure_mode": "in_turn"}
    options: dict[str, object] = {"pumps": pumps, "number": FIRST, "generation": generation, "start_ms": START_MS}

    ours = labelled_lives(settings, **options)

    theirs = [decode(Labelled, payload) for payload in simulated(fleet_of(31, speed, pumps, generation))]
    assert_alike([replace_maintenance(payload) for payload in ours], theirs)


def replace_maintenance(payload: Labelled) -> Labelled:
    """Campaigns of the simulators do not tell when a pump was repaired."""
    return Labelled(**{**fields_of(payload), "last_maintenance": None})


@pytest.mark.parametrize("speed", list(Speed))
def test_lifetimes_and_what_ends_them_are_the_same_where_they_are_drawn(speed: Speed) -> None:
    pumps = 300 if speed is not Speed.NOMINAL else 4
    ours = labelled_lives({"seed": 2**63 + 5, "speed": speed}, pumps=pumps, number=FIRST)

    fleet = fleet_of(2**63 + 5, speed, pumps, mode=-1)
    lengths: dict[str, int] = {}
    for payload in ours:
        lengths[payload.device_id] = lengths.get(payload.device_id, 0) + 1
    last = {payload.device_id: payload for payload in ours}
    assert list(lengths.values()) == fleet.life.readings.tolist()
    modes = [[mode.value for mode in FAILURE_MODES].index(str(payload.failure_mode)) for payload in last.values()]
    assert modes == fleet.life.pattern.tolist()
    assert all(payload.health_percent == 0.0 for payload in last.values())


def test_disturbances_meet_the_same_readings_and_do_the_same() -> None:
    pumps = 32
    rules = [
        {"name": DISTURBANCES[rule.kind], "probability": rule.probability, "readings": rule.readings} for rule in RULES
    ]
    ours = telemetry_lives(
        {"seed": 5, "speed": "stress", "failure_mode": "in_turn", "chaos": rules},
        pumps=pumps, number=FIRST, start_ms=START_MS,
    )  # fmt: skip

    fleet = fleet_of(5, Speed.STRESS, pumps)
    fleet = replace(fleet, chaos=ByRules(Stream.CHAOS, RULES, np.ones(pumps, dtype=np.bool_)))
    names, readings, step = whole_lives(fleet)
    assert set(readings.disturbance.tolist()) == {-1, 0, 1, 2, 3, 4}
    payloads = telemetry_payloads(
        names, readings, measurement_id=step, time_ms=START_MS + step * 1_000, last_maintenance=[None] * len(names)
    )
    theirs = [Telemetry(**{**fields_of(decode(Telemetry, line)), "health_percent": None}) for line in payloads]
    assert_alike(ours, theirs)


def test_a_pump_that_does_not_wear_is_the_same_beyond_the_length_of_any_life() -> None:
    ours = telemetry_lives(
        {"seed": 3, "speed": "stress", "wearing": False, "chaos": []}, number=FIRST, readings=900, start_ms=START_MS
    )

    fleet = Fleet.build(
        3, number=np.array([FIRST]), speed=np.array([0]), interval_s=np.array([1.0]), wearing=np.array([False])
    )
    channels = fleet.readings(np.zeros(900, dtype=np.int64), np.arange(900)).channels
    told = np.array([[getattr(payload, name) for name in CHANNEL_NAMES] for payload in ours])
    assert np.all(np.abs(told - channels) <= 0.51 * 10.0 ** -np.array(DECIMALS) + 1e-3 * (np.array(DECIMALS) < 2))


def test_the_encoder_writes_the_bytes_that_the_contract_s_encoder_writes() -> None:
    lines = printed_lives({"seed": 7, "speed": "stress", "mode": "data_collection"}, pumps=20)
    lines += printed_lives({"seed": 7, "speed": "stress", "mode": "inference"}, pumps=20)

    assert len(lines) > 5_000
    for line in lines:
        kind = Labelled if b"ground_truth" in line else Telemetry
        assert encode(decode(kind, line)) == line
