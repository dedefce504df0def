"""When it is time to train again, and when retraining would cure nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.drift_lasting import Looked, cooled_down, disjoint, lasting_drift, reason_to_wait


def looks(*causes: str) -> list[Looked]:
    """One window an hour; those with a fleet's cause have drifted, wear and lying sensors have not."""
    drifting = ("regime_change", "season", "new_pump_type", "undetermined", "?")
    return [
        Looked(hour * NS_PER_HOUR, (hour + 1) * NS_PER_HOUR, cause in drifting, cause.strip("?"))
        for hour, cause in enumerate(causes)
    ]


@pytest.mark.parametrize("cause", ["regime_change", "season", "new_pump_type", "?"])
def test_what_training_cures_and_what_was_never_diagnosed_is_reason_to_train(cause: str) -> None:
    assert reason_to_wait(looks("none", cause, cause, cause)) == ""


@pytest.mark.parametrize(
    ("cause", "word"),
    [("wear", "need service"), ("sensor_fault", "sensors named"), ("undetermined", "drift report")],
)
def test_what_training_does_not_cure_is_told_to_people_instead(cause: str, word: str) -> None:
    reason = reason_to_wait(looks(cause, cause, cause))

    assert f"3 of them show {cause}, which retraining does not cure" in reason
    assert word in reason


def test_a_fleet_on_another_regime_in_which_one_sensor_lies_now_and_then_waits() -> None:
    assert "2 of the last 3 windows drifted" in reason_to_wait(looks("season", "sensor_fault", "season"))


def test_three_windows_over_the_same_hours_are_one_piece_of_evidence() -> None:
    same = [Looked(minute, minute + 60, True) for minute in (0, 1, 2)]

    assert disjoint(same) == [Looked(2, 62, True)]


@pytest.mark.parametrize(
    ("drifted", "lasting"),
    [
        ([], False),
        ([True, True], False),
        ([True, True, True], True),
        ([False, True, True, True], True),
        ([True, True, True, False], False),
        ([True, False, True, True], False),
    ],
)
def test_drift_lasts_when_the_three_newest_windows_have_all_drifted(drifted: list[bool], lasting: bool) -> None:
    assert lasting_drift(list(enumerate(drifted))) is lasting


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20), st.integers(1, 4))
def test_the_order_of_windows_and_looking_twice_change_nothing(windows: list[tuple[int, bool]], needed: int) -> None:
    once = sorted(dict(windows).items())

    assert lasting_drift(windows, needed=needed) is lasting_drift(once[::-1], needed=needed)


def test_one_window_judged_three_times_is_no_lasting_drift() -> None:
    assert not lasting_drift([(7, True)] * 3)


@pytest.mark.parametrize(("hours", "ready"), [(None, True), (23.9, False), (24.0, True)])
def test_retraining_waits_for_the_cool_down(hours: float | None, ready: bool) -> None:
    now_ns = 1_800_000_000_000_000_000
    last_ns = None if hours is None else now_ns - int(hours * NS_PER_HOUR)

    assert cooled_down(now_ns, last_ns, cool_down_hours=24.0) is ready
