"""What was wrong in a run, in words: nothing is left out because it looks bad."""

from collections.abc import Sequence

import numpy as np

from pdm_platform.contract.states import State
from pdm_platform.core.quality import paired
from pdm_platform.local.facts import FleetFacts
from pdm_platform.local.failures import Failure, false_alarms_of
from pdm_platform.local.sayings import CalledSensor, Sayings

COVERED = 0.9
_NAMED = 5


def wrong_with(facts: FleetFacts, failures: Sequence[Failure], sayings: Sayings) -> list[str]:
    """Everything that was said and was not so, or was so and not said."""
    return [
        *_of_warnings(facts, failures),
        *_of_life_left(failures, sayings),
        *_of_modes(failures),
        *_of_doubts(facts, sayings),
        *_of_health(facts),
    ]


def _of_warnings(facts: FleetFacts, failures: Sequence[Failure]) -> list[str]:
    found = [f"{failure.device_id} failed without a warning" for failure in failures if failure.warning_s is None]
    found += [
        f"{failure.device_id} was warned of only {failure.warning_s:.1f} s before it failed"
        for failure in failures
        if failure.late
    ]
    false_alarms = false_alarms_of(facts)
    found += [f"{device_id} raised a FAULTY alarm while it was HEALTHY" for device_id in false_alarms]
    if early := len(false_alarms_of(facts, State.WARNING)) - len(false_alarms):
        found.append(f"{early} WARNING alarm(s) were raised on pumps that were HEALTHY")
    return found


def _of_life_left(failures: Sequence[Failure], sayings: Sayings) -> list[str]:
    told = [(each, each.said_left_s / each.true_left_s) for each in failures if each.said_left_s and each.true_left_s]
    found = []
    if told:
        median = np.median([ratio for _, ratio in told])
        found.append(f"the life left that the first FAULTY alarms told was {median:.1f} times the true one (median)")
    found += [
        f"{each.device_id}: the first FAULTY alarm said {each.said_left_s:.0f} s left, it was {each.true_left_s:.0f} s"
        for each, ratio in told
        if not 0.5 <= ratio <= 2.0
    ]
    found += [
        f"{each.device_id}: the first FAULTY alarm said {each.said_lower_s:.0f} to {each.said_upper_s:.0f} s left, it"
        f" was {each.true_left_s:.0f} s"
        for each in failures
        if each.inside is False
    ]
    if sayings.intervals and (share := sayings.intervals_held / sayings.intervals) < COVERED:
        found.append(
            f"only {share:.0%} of the {sayings.intervals} intervals of the life left held the truth, not {COVERED:.0%}"
        )
    return found


def _of_modes(failures: Sequence[Failure]) -> list[str]:
    found = [
        f"{each.device_id}: said to fail of {each.said_mode}, failed of {each.true_mode}"
        for each in failures
        if each.mode_right is False
    ]
    untold = [each.device_id for each in failures if each.said_mode is None and each.true_mode is not None]
    return [*found, *([f"no failure mode was told of {_listed(untold)}"] if untold else [])]


def _of_doubts(facts: FleetFacts, sayings: Sayings) -> list[str]:
    def named(sensors: Sequence[CalledSensor]) -> str:
        return _listed([f"{each.device_id} {each.channel} ({each.readings} readings)" for each in sensors])

    found = []
    if wrongly := [sensor for sensor in sayings.sensors if sensor.right is False]:
        found.append(f"sensors that were right were said to lie: {named(wrongly)}")
    if sayings.sensors_missed:
        missed = [f"{device_id} {channel}" for device_id, channel in sayings.sensors_missed]
        found.append(f"sensors that lied were not found out: {_listed(missed)}")
    if sayings.provisional and sayings.provisional == len(facts.predictions):
        found.append("every prediction was provisional: too little was known of every pump")
    return found


def _of_health(facts: FleetFacts) -> list[str]:
    joined = paired(facts.telemetry, facts.predictions).dropna(subset="health_percent")
    if joined.empty:
        return []
    errors = (joined["predicted_health_percent"] - joined["health_percent"]).abs()
    worst = joined.iloc[int(errors.argmax())]
    return [
        f"health was off by {errors.mean():.1f} % on average over the live readings, at worst by"
        f" {errors.max():.0f} %: {worst['device_id']}, said {worst['predicted_health_percent']:.0f} %,"
        f" was {worst['health_percent']:.0f} %"
    ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
