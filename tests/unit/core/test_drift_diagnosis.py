"""Each cause of drift, planted in fleets of known physics, is told as what it is; a stationary fleet has none."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pandas as pd
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.core.drift import judge_drift
from pdm_platform.core.drift_diagnosis import diagnose
from pdm_platform.core.drift_evidence import Cause, Diagnosis
from pdm_platform.core.drift_levels import FIRST_SEEN, first_levels, levels_of
from pdm_platform.core.drift_norm import Norm
from simulators.lifetimes import MODES
from simulators.pump import DRAWN, Fleet
from simulators.speeds import SPEEDS, Speed
from tests.unit.core.drift_fleet import Harm, Pumps, Weather, reference, window

SEEDS = range(4)
NOTHING_EARLIER = pd.DataFrame()
ANOTHER_TYPE = slice(0, 6)
PLANTED: dict[str, tuple[Cause, Callable[[Pumps, int], pd.DataFrame]]] = {
    "nothing": (Cause.NONE, lambda pumps, seed: window(pumps, seed)),
    "a heatwave": (Cause.SEASON, lambda pumps, seed: window(pumps, seed, weather=Weather(warmer_c=12.0))),
    "night speed": (Cause.REGIME_CHANGE, lambda pumps, seed: window(pumps, seed, weather=Weather(speed=0.8))),
    "a load step": (Cause.REGIME_CHANGE, lambda pumps, seed: window(pumps, seed, weather=Weather(flow=0.6))),
    "a drifting pressure sensor": (
        Cause.SENSOR_FAULT,
        lambda pumps, seed: window(pumps, seed, harm=Harm(sensor={(3, "pressure"): 1.5})),
    ),
    "an axis that reads too much": (
        Cause.SENSOR_FAULT,
        lambda pumps, seed: window(pumps, seed, harm=Harm(sensor={(3, "vibration_x"): 1.0})),
    ),
    "wearing pumps": (
        Cause.WEAR,
        lambda pumps, seed: window(pumps, seed, harm=Harm(wear={pump: 0.3 + 0.1 * pump for pump in range(5)})),
    ),
    "another type": (
        Cause.NEW_PUMP_TYPE,
        lambda pumps, seed: window(pumps.of_another_type(ANOTHER_TYPE), seed),
    ),
    "another fleet": (
        Cause.NEW_PUMP_TYPE,
        lambda pumps, seed: window(pumps.of_another_type(slice(None)), seed),
    ),
}


@cache
def training(seed: int, *, named: bool = True) -> tuple[pd.DataFrame, Norm]:
    found = reference(seed) if named else reference(seed)[list(CHANNEL_NAMES)]
    return found, Norm.of(found)


def diagnosed(current: pd.DataFrame, seed: int, first: pd.DataFrame, *, named: bool = True) -> Diagnosis:
    ours, norm = training(seed, named=named)
    return diagnose(judge_drift(ours, current), norm, levels_of(current, ours), first)


def seen_earlier(pumps: Pumps, seed: int) -> pd.DataFrame:
    """Levels of the pumps in a window long ago."""
    return levels_of(window(pumps, seed), training(seed)[0]).assign(**{FIRST_SEEN: 1})


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("planted", PLANTED)
def test_what_was_planted_is_told_by_pumps_that_have_been_seen_before(planted: str, seed: int) -> None:
    cause, build = PLANTED[planted]
    pumps = Pumps.draw(seed)
    first = seen_earlier(pumps.of_another_type(slice(None)) if planted == "another fleet" else pumps, 50 + seed)
    if planted == "another type":
        first = first.iloc[ANOTHER_TYPE.stop :]

    found = diagnosed(build(pumps, 100 + seed), seed, first)

    assert found.cause is cause, found.evidence


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("planted", sorted(set(PLANTED) - {"a drifting pressure sensor"}))
def test_the_first_report_ever_tells_it_from_channels_alone(planted: str, seed: int) -> None:
    cause, build = PLANTED[planted]

    found = diagnosed(build(Pumps.draw(seed), 100 + seed), seed, NOTHING_EARLIER, named=False)

    assert found.cause is cause, found.evidence


def test_only_what_the_model_has_not_seen_is_drift() -> None:
    drifted = [
        planted
        for planted, (_, build) in PLANTED.items()
        if diagnosed(build(Pumps.draw(1), 101), 1, NOTHING_EARLIER).drifted
    ]

    assert drifted == ["a heatwave", "night speed", "a load step", "another type", "another fleet"]


def test_a_lying_sensor_is_named_with_its_pump_and_the_figures_that_decided() -> None:
    pumps = Pumps.draw(2)
    lying = window(pumps, 7, harm=Harm(sensor={(5, "current"): -3.0}))

    found = diagnosed(lying, 2, seen_earlier(pumps, 52)).of(Cause.SENSOR_FAULT)

    assert found.pumps == ("pump-005",)
    assert found.figures["sensors"] == "pump-005: current"
    assert float(found.figures["largest_gain"]) > 25.0


def test_worn_pumps_are_named_with_how_much_more_they_vibrate_and_their_health() -> None:
    pumps = Pumps.draw(2)
    worn = window(pumps, 7, harm=Harm(wear={3: 0.4, 9: 0.5}))

    found = diagnosed(worn, 2, seen_earlier(pumps, 52)).of(Cause.WEAR)

    assert found.pumps == ("pump-003", "pump-009")
    assert float(found.figures["largest_vibration_ratio"]) > 2.5
    assert float(found.figures["lowest_stated_health_percent"]) < 50.0


def test_a_heatwave_is_season_although_the_model_takes_every_pump_for_worn() -> None:
    pumps = Pumps.draw(1)
    hot = window(pumps, 9, weather=Weather(warmer_c=15.0)).assign(predicted_state="WARNING")

    found = diagnosed(hot, 1, seen_earlier(pumps, 53))

    assert (found.cause, found.of(Cause.WEAR).found) == (Cause.SEASON, False)
    assert found.of(Cause.SEASON).figures["temperature_shift_c"] == pytest.approx(15.0, abs=3.0)


def test_a_type_that_was_new_stays_so_in_its_second_report() -> None:
    pumps = Pumps.draw(1).of_another_type(ANOTHER_TYPE)
    ours, _ = training(1)
    early, later = levels_of(window(pumps, 11), ours), levels_of(window(pumps, 12), ours)
    reports = [(1, early.iloc[ANOTHER_TYPE.stop :]), (2, later)]

    found = diagnosed(window(pumps, 13), 1, first_levels(reports, list(later.index)))

    assert found.cause is Cause.NEW_PUMP_TYPE
    assert found.of(Cause.NEW_PUMP_TYPE).figures["first_seen_later_than_others"] == 6


def test_two_pumps_are_too_few_to_tell_why_all_have_moved() -> None:
    hot = window(Pumps.draw(1, count=2), 9, weather=Weather(warmer_c=25.0, speed=0.7))

    assert diagnosed(hot, 1, NOTHING_EARLIER).cause is Cause.UNDETERMINED


def test_pumps_with_hardly_any_readings_are_not_judged_one_by_one() -> None:
    short = window(Pumps.draw(1), 9, readings=10, segments=1)

    found = diagnosed(short, 1, NOTHING_EARLIER)

    assert (found.cause, found.candidates) == (Cause.NONE, ())


# Simulated pumps -----------------------------------------------------------------------------------------------------


def simulated(seed: int, speed: Speed, pumps: int, *, modes: Sequence[int] = ()) -> Fleet:
    """Pumps of which the first wear by these modes, and the others not at all."""
    return Fleet.build(
        seed,
        number=np.arange(pumps),
        speed=np.full(pumps, list(Speed).index(speed)),
        interval_s=np.full(pumps, SPEEDS[speed].interval_s),
        mode=np.array([*modes, *[DRAWN] * (pumps - len(modes))]),
        wearing=np.arange(pumps) < len(modes),
    )


def taken(fleet: Fleet, start: Sequence[int], readings: int, every: int = 1) -> pd.DataFrame:
    """Readings of every pump from its start on, with the health a model that knew it would state."""
    pump = np.repeat(np.arange(len(start)), readings)
    steps = np.repeat(np.asarray(start), readings) + every * np.tile(np.arange(readings), len(start))
    found = fleet.readings(pump, steps)
    table = pd.DataFrame(found.channels, columns=list(CHANNEL_NAMES))
    table["device_id"] = [f"pump-{index:03d}" for index in pump]
    table["predicted_health_percent"] = found.health_percent
    table["predicted_state"] = np.where(found.health_percent > 75.0, "HEALTHY", "WARNING")
    return table


@cache
def simulated_training(seed: int) -> tuple[pd.DataFrame, Norm]:
    """Healthy readings of 60 pumps over weeks of duty and weather."""
    parts = [
        taken(simulated(seed + index, speed, 20), [0] * 20, 80, every)
        for index, (speed, every) in enumerate(((Speed.STRESS, 1), (Speed.ACCELERATED, 6), (Speed.NOMINAL, 90)))
    ]
    names = [part["device_id"] + f"-{index}" for index, part in enumerate(parts)]
    found = pd.concat([part.assign(device_id=name) for part, name in zip(parts, names, strict=True)])
    found = found[[*CHANNEL_NAMES, "device_id"]]
    return found, Norm.of(found)


def test_a_stationary_fleet_of_other_pumps_raises_no_drift_and_no_cause_in_a_hundred_windows() -> None:
    told = []
    for seed in range(5):
        ours, norm = simulated_training(10 * seed)
        fleet = simulated(1_000 + seed, Speed.NOMINAL, 24)
        first = levels_of(taken(fleet, [0] * 24, 90, 4), ours).assign(**{FIRST_SEEN: 1})
        for hour in range(1, 21):
            current = taken(fleet, [360 * hour] * 24, 60, 6)
            judged = judge_drift(ours, current)
            told.append(diagnose(judged, norm, levels_of(current, ours), first))

    assert len(told) == 100
    assert [(one.cause, one.drifted) for one in told if one.cause is not Cause.NONE or one.drifted] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_worn_simulated_pumps_of_every_mode_are_wear_and_no_drift(seed: int) -> None:
    ours, norm = simulated_training(10 * seed)
    fleet = simulated(2_000 + seed, Speed.NOMINAL, 24, modes=range(len(MODES)))
    first = levels_of(taken(fleet, [0] * 24, 90, 4), ours).assign(**{FIRST_SEEN: 1})
    old = (fleet.life.readings[: len(MODES)] * 0.8).astype(int).tolist()

    current = taken(fleet, [*old, *[3_000] * 16], 90)
    found = diagnose(judge_drift(ours, current), norm, levels_of(current, ours), first)

    assert (found.cause, found.drifted) == (Cause.WEAR, False), found.evidence
    assert set(found.of(Cause.WEAR).pumps) <= {f"pump-{index:03d}" for index in range(len(MODES))}
    assert len(found.of(Cause.WEAR).pumps) >= 6


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hot_summer_on_simulated_pumps_is_season(seed: int) -> None:
    ours, norm = simulated_training(10 * seed)
    hot = taken(simulated(3_000 + seed, Speed.NOMINAL, 24), [720] * 24, 90, 4)
    hot["temperature"] += 10.0

    found = diagnose(judge_drift(ours, hot), norm, levels_of(hot, ours), NOTHING_EARLIER)

    assert (found.cause, found.drifted) == (Cause.SEASON, True), found.evidence
