"""One prediction a reading, its identity echoed, the same whatever the batching; alarms by what was predicted."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.payloads import Alarm, Prediction, Telemetry, decode, encode
from pdm_platform.contract.states import State
from pdm_platform.contract.times import NS_PER_S, Timestamp
from pdm_platform.inference.loader import LoadedModel
from pdm_platform.inference.predictor import FleetState, TimedReading, _duration, predict

NEW = (0.6, 0.6, 0.5, 1.0, 38.0, 4.2, 7.8, 2_850.0)
WORN = (5.0, 5.0, 4.0, 8.1, 70.0, 3.0, 9.5, 2_780.0)
NOW_NS = 1_800_000_000 * NS_PER_S


def reading(
    second: int, channels: Sequence[float | None] = NEW, device: str = "p-1", timestamp: Timestamp | None = None
) -> TimedReading:
    fields = dict(zip(CHANNEL_NAMES, channels, strict=True))
    return TimedReading(
        Telemetry(device_id=device, **fields, measurement_id=second, timestamp=timestamp), NOW_NS + second * NS_PER_S
    )


def answered(loaded: LoadedModel, *readings: TimedReading) -> tuple[list[Prediction], list[Alarm]]:
    return predict(FleetState.empty(), loaded, readings, NOW_NS)


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
@settings(deadline=None, max_examples=15)
def test_predictions_do_not_depend_on_how_readings_are_cut_into_batches(
    loaded: LoadedModel, cuts: set[int], order: list[int]
) -> None:
    stream = [
        reading(second, NEW if second < 20 else WORN, device=f"p-{place % 3}") for place, second in enumerate(order)
    ]
    whole = predict(FleetState.empty(), loaded, stream, NOW_NS)

    state, bounds = FleetState.empty(), [0, *sorted(cuts), len(stream)]
    parts = [predict(state, loaded, stream[start:end], NOW_NS) for start, end in pairwise(bounds)]

    assert [said for predictions, _ in parts for said in predictions] == whole[0]
    assert [alarm for _, alarms in parts for alarm in alarms] == whole[1]


def test_a_worn_pump_raises_one_alarm_a_level_and_a_repaired_one_returns_to_normal(loaded: LoadedModel) -> None:
    worn, repaired = [reading(second, WORN) for second in range(5)], [reading(second) for second in range(5, 60)]

    _, alarms = answered(loaded, *worn, *repaired)

    assert [alarm.active for alarm in alarms] == [True, False]
    assert (alarms[0].state, alarms[0].severity) == (State.BROKEN, 900)
    assert alarms[0].message.startswith("p-1 is BROKEN: health ")
    assert alarms[1].message.startswith("p-1 returned to HEALTHY: health ")
    assert all(decode(Alarm, encode(alarm)) == alarm for alarm in alarms)


def test_an_alarm_carries_the_identity_of_the_reading_that_decided_it(loaded: LoadedModel) -> None:
    _, alarms = answered(loaded, *(reading(second, WORN, timestamp=1_000 + second) for second in range(5)))

    assert [alarm.timestamp for alarm in alarms] == [1_002]


def test_remaining_life_is_null_on_the_wire_until_wear_is_seen(loaded: LoadedModel) -> None:
    predictions, _ = answered(loaded, reading(1))

    assert predictions[0].rul_hours is None
    assert b'"rul_hours":null' in encode(predictions[0])


def test_remaining_life_falls_to_nothing_as_a_pump_wears_out(loaded: LoadedModel) -> None:
    shares = np.linspace(0.0, 1.0, 100)
    life = [
        reading(second, [new + (worn - new) * share for new, worn in zip(NEW, WORN, strict=True)])
        for second, share in enumerate(shares)
    ]

    predictions, _ = answered(loaded, *life)

    told = {index: said.rul_hours for index, said in enumerate(predictions) if said.rul_hours is not None}
    assert predictions[-1].rul_hours == pytest.approx(0.0, abs=5 / 3600)
    assert told[60] * 3600 == pytest.approx(30, abs=15)


@pytest.mark.parametrize(("hours", "text"), [(30.04, "30.0 h"), (0.5, "30.0 min"), (100 / 3600, "100 s"), (0.0, "0 s")])
def test_remaining_life_reads_as_people_say_it(hours: float, text: str) -> None:
    assert _duration(hours) == text
