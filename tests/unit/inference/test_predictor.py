"""One prediction a reading, its identity echoed, the same whatever the batching; alarms by what was predicted."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import FailureMode
from pdm_platform.contract.payloads import Alarm, Prediction, Telemetry, decode, encode
from pdm_platform.contract.states import State
from pdm_platform.contract.times import NS_PER_S, Timestamp, iso_of
from pdm_platform.core.monitoring import FleetState
from pdm_platform.inference.loader import LoadedModel
from pdm_platform.inference.predictor import Answer, TimedReading, _duration, answer
from tests.small_fleet import NEW_PUMP, NOISE, WORN_PUMP, channels_at

NEW, WORN = tuple(NEW_PUMP.tolist()), tuple(WORN_PUMP.tolist())
NOW_NS = 1_800_000_000 * NS_PER_S
PROVISIONAL = 29  # the thirtieth reading completes the baseline
FIELDS = ("rul_hours", "rul_lower_hours", "rul_upper_hours", "failure_mode", "failure_mode_probability", "sensor_fault")


def reading(
    second: int,
    channels: Sequence[float | None] = NEW,
    device: str = "p-1",
    timestamp: Timestamp | None = None,
    last_maintenance: Timestamp | None = None,
) -> TimedReading:
    values: dict[str, Any] = dict(zip(CHANNEL_NAMES, channels, strict=True))
    said = Telemetry(
        device_id=device, **values, measurement_id=second, timestamp=timestamp, last_maintenance=last_maintenance
    )
    return TimedReading(said, NOW_NS + second * NS_PER_S)


def noisy(health: Sequence[float], mode: FailureMode = FailureMode.BEARING_WEAR) -> np.ndarray:
    """Channels of a pump with this health at each reading."""
    draw = np.random.default_rng(1)
    return np.array([channels_at(value, mode) for value in health]) + NOISE * draw.standard_normal((len(health), 8))


def stream(channels: np.ndarray, first: int = 0, last_maintenance: Timestamp | None = None) -> list[TimedReading]:
    rows = enumerate(channels.tolist(), first)
    return [reading(second, row, last_maintenance=last_maintenance) for second, row in rows]


def answered(loaded: LoadedModel, *readings: TimedReading) -> Answer:
    return answer(FleetState.empty(), loaded, readings, NOW_NS)


def test_each_reading_gets_one_prediction_in_its_place(loaded: LoadedModel) -> None:
    predictions, _ = answered(loaded, reading(1, device="b"), reading(1, WORN, device="a"), reading(2, device="b"))

    assert [(said.device_id, said.measurement_id) for said in predictions] == [("b", 1), ("a", 1), ("b", 2)]
    assert [said.state for said in predictions] == [State.HEALTHY, State.BROKEN, State.HEALTHY]
    assert [said.health_percent > 50 for said in predictions] == [True, False, True]
    assert {said.model_version for said in predictions} == {loaded.version}
    assert {said.inference_timestamp for said in predictions} == {"2027-01-15T08:00:00.000000Z"}


@given(
    timestamp=st.one_of(
        st.none(), st.text(max_size=64), st.integers(0, 2**53), st.floats(0, 1e15, allow_nan=False, width=64)
    )
)
@settings(deadline=None, max_examples=60)
def test_whatever_form_a_timestamp_has_it_comes_back_on_the_wire_as_it_was(
    loaded: LoadedModel, timestamp: Timestamp | None
) -> None:
    predictions, _ = answered(loaded, reading(1, timestamp=timestamp))

    said = decode(Prediction, encode(predictions[0]))

    assert said == predictions[0]
    assert (said.timestamp, type(said.timestamp)) == (timestamp, type(timestamp))


def test_probabilities_sum_to_one_and_the_state_is_the_likeliest(loaded: LoadedModel) -> None:
    predictions, _ = answered(loaded, reading(1), reading(2, WORN), reading(3, [None] * 8))

    for said in predictions:
        shares = {name: getattr(said.probabilities, name) for name in said.probabilities.__struct_fields__}
        assert sum(shares.values()) == pytest.approx(1.0)
        assert shares[said.state] == max(shares.values())


@given(cuts=st.sets(st.integers(1, 59)), order=st.permutations(range(60)))
@settings(deadline=None, max_examples=10)
def test_predictions_do_not_depend_on_how_readings_are_cut_into_batches(
    loaded: LoadedModel, cuts: set[int], order: list[int]
) -> None:
    readings = [
        reading(second, NEW if second < 20 else WORN, device=f"p-{place % 3}") for place, second in enumerate(order)
    ]
    whole = answer(FleetState.empty(), loaded, readings, NOW_NS)

    state, bounds = FleetState.empty(), [0, *sorted(cuts), len(readings)]
    parts = [answer(state, loaded, readings[start:end], NOW_NS) for start, end in pairwise(bounds)]

    assert [said for part in parts for said in part.predictions] == whole.predictions
    assert [alarm for part in parts for alarm in part.alarms] == whole.alarms


# -- what is told, and what is null


def test_of_a_new_pump_nothing_is_told_that_is_not_known(loaded: LoadedModel) -> None:
    predictions, alarms = answered(loaded, *stream(noisy([100.0] * 60)))

    assert [said.provisional for said in predictions] == [True] * PROVISIONAL + [False] * (60 - PROVISIONAL)
    unknown = [[getattr(said, name) for name in FIELDS] for said in predictions[:PROVISIONAL]]
    assert unknown == [[None] * len(FIELDS)] * PROVISIONAL
    assert {said.failure_mode for said in predictions} == {said.sensor_fault for said in predictions} == {None}
    assert all(said.novelty == 0.0 for said in predictions[: PROVISIONAL - 1])
    assert not any(said.novel for said in predictions[:PROVISIONAL])
    assert {alarm.condition for alarm in alarms} <= {"novelty"}, "so small a fleet hardly knows what is healthy"


def test_remaining_life_is_null_on_the_wire_and_what_is_left_out_is_short(loaded: LoadedModel) -> None:
    wire = encode(answered(loaded, reading(1))[0][0])

    assert b'"rul_hours":null' in wire
    assert not any(name.encode() in wire for name in ("rul_lower_hours", "failure_mode", '"sensor_fault"', '"novel"'))
    assert b'"provisional":true' in wire


def test_the_remaining_life_of_a_wearing_pump_falls_to_nothing_within_bounds(loaded: LoadedModel) -> None:
    predictions, _ = answered(loaded, *stream(noisy(np.linspace(100.0, 0.0, 120).tolist())))

    told = {index: said for index, said in enumerate(predictions) if said.rul_hours is not None}
    hours = {index: said.rul_hours or 0.0 for index, said in told.items()}
    assert hours[119] * 3600 == pytest.approx(0.0, abs=15)
    assert hours[80] * 3600 == pytest.approx(40, abs=25)
    assert all(
        (said.rul_lower_hours or 0.0) <= hours[index] <= (said.rul_upper_hours or 0.0) for index, said in told.items()
    )
    assert min(told) >= PROVISIONAL


@pytest.mark.parametrize("mode", [FailureMode.BEARING_WEAR, FailureMode.IMPELLER_WEAR])
def test_what_wears_a_pump_is_named_with_its_probability(loaded: LoadedModel, mode: FailureMode) -> None:
    predictions, alarms = answered(loaded, *stream(noisy(np.linspace(100.0, 0.0, 120).tolist(), mode)))

    last = predictions[-1]
    assert (last.failure_mode, last.novel) == (mode, True)
    assert (last.failure_mode_probability or 0.0) > 0.5
    assert any(f"probably {mode.replace('_', ' ')}" in alarm.message for alarm in alarms)
    assert decode(Prediction, encode(last)) == last


def test_a_sensor_that_is_stuck_is_named_and_alarms_until_it_is_plausible_again(loaded: LoadedModel) -> None:
    channels = noisy([100.0] * 200)
    channels[60:100, CHANNEL_NAMES.index("pressure")] = channels[60, CHANNEL_NAMES.index("pressure")]

    predictions, alarms = answered(loaded, *stream(channels))

    lying = [alarm for alarm in alarms if alarm.condition == "sensor_fault"]
    assert {said.sensor_fault for said in predictions[80:100]} == {"pressure"}
    assert (predictions[90].sensor_fault_probability or 0.0) >= 0.5
    assert predictions[-1].sensor_fault is None
    assert [(alarm.active, alarm.severity) for alarm in lying] == [(True, 200), (False, 200)]
    assert lying[0].message == "p-1 sensor of pressure seems to lie"
    assert lying[1].message == "p-1 sensors are plausible again"


def test_what_was_never_seen_of_a_healthy_pump_is_novel_and_alarms(loaded: LoadedModel) -> None:
    channels = noisy([100.0] * 120)
    channels[60:, CHANNEL_NAMES.index("current")] *= 3.0

    predictions, alarms = answered(loaded, *stream(channels))

    news = [alarm for alarm in alarms if alarm.condition == "novelty"]
    assert predictions[-1].novel
    assert (predictions[-1].novelty or 0.0) > 1.0
    assert [alarm.active for alarm in news] == [True]
    assert news[0].message.startswith("p-1 does what was never seen on a healthy pump: novelty ")


# -- maintenance


@pytest.mark.parametrize("written", ["iso", "milliseconds"])
def test_a_pump_that_was_maintained_is_provisional_anew(loaded: LoadedModel, written: str) -> None:
    at_ns = NOW_NS + 60 * NS_PER_S
    told: Timestamp = iso_of(at_ns) if written == "iso" else at_ns // 10**6

    predictions, _ = answered(
        loaded,
        *stream(noisy(np.linspace(100.0, 40.0, 60).tolist())),
        *stream(noisy([100.0] * 40), 60, last_maintenance=told),
    )

    provisional = [said.provisional for said in predictions]
    assert provisional == [True] * PROVISIONAL + [False] * (60 - PROVISIONAL) + [True] * PROVISIONAL + [False] * 11
    assert predictions[60].rul_hours is None
    assert predictions[-1].state is State.HEALTHY


@pytest.mark.parametrize("told", ["soon", "", 3, None])
def test_a_maintenance_that_cannot_be_read_does_not_cost_the_reading(
    loaded: LoadedModel, told: Timestamp | None
) -> None:
    readings = [*stream(noisy([100.0] * 40)), *stream(noisy([100.0] * 5), 40, last_maintenance=told)]

    predictions, _ = answered(loaded, *readings)

    assert [said.provisional for said in predictions[40:]] == [False] * 5


# -- alarms


def test_a_worn_pump_raises_an_alarm_and_a_repaired_one_returns_to_normal(loaded: LoadedModel) -> None:
    worn, repaired = [reading(second, WORN) for second in range(5)], [reading(second) for second in range(5, 60)]

    alarms = [alarm for alarm in answered(loaded, *worn, *repaired)[1] if alarm.condition == "pump_state"]

    assert [alarm.active for alarm in alarms] == [True, False]
    assert (alarms[0].state, alarms[0].severity) == (State.BROKEN, 900), "although nobody saw it wear"
    assert alarms[0].message.startswith("p-1 is BROKEN: health ")
    assert alarms[1].message.startswith("p-1 returned to HEALTHY: health ")
    assert all(decode(Alarm, encode(alarm)) == alarm for alarm in alarms)


def test_a_pump_at_the_end_of_its_life_raises_the_severest_alarm_and_says_what_is_left(loaded: LoadedModel) -> None:
    _, alarms = answered(loaded, *stream(noisy(np.linspace(100.0, 0.0, 120).tolist())))

    of_state = [alarm for alarm in alarms if alarm.condition == "pump_state"]
    assert [alarm.severity for alarm in of_state] == [300, 700, 900]
    assert "left (90 %:" in of_state[-1].message


def test_an_alarm_carries_the_identity_of_the_reading_that_decided_it(loaded: LoadedModel) -> None:
    _, alarms = answered(loaded, *(reading(second, WORN, timestamp=1_000 + second) for second in range(5)))

    assert [alarm.timestamp for alarm in alarms if alarm.condition == "pump_state"] == [1_002]


@pytest.mark.parametrize(("hours", "text"), [(30.04, "30.0 h"), (0.5, "30.0 min"), (100 / 3600, "100 s"), (0.0, "0 s")])
def test_remaining_life_reads_as_people_say_it(hours: float, text: str) -> None:
    assert _duration(hours) == text
