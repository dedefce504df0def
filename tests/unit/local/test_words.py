"""A prediction in few words."""

from typing import Any

import msgspec
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import FailureMode
from pdm_platform.contract.payloads import Prediction, StateProbabilities
from pdm_platform.contract.states import State
from pdm_platform.local.words import channel_name, duration, life_left, marks, mode_name, probable_mode, short_marks


def prediction(hours: float | None = None, **said: Any) -> Prediction:
    return Prediction(
        device_id="p",
        state=State.HEALTHY,
        probabilities=StateProbabilities(1.0, 0.0, 0.0, 0.0),
        health_percent=95.0,
        rul_hours=hours,
        model_version="v1",
        inference_timestamp="now",
        **said,
    )


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        *((None, "-"), (0.0, "0 s"), (119 / 3600, "119 s"), (2.5 / 60, "2.5 min"), (0.5, "30 min"), (1.9, "114 min")),
        *((2.4, "2.4 h"), (30.0, "30 h"), (24.0 * 125, "125 d")),
    ],
)
def test_life_left_reads_as_people_say_it(hours: float | None, text: str) -> None:
    assert duration(hours) == text


@pytest.mark.parametrize(
    ("hours", "interval", "text"),
    [
        (2.5 / 60, (1.8 / 60, 4.02 / 60), "2.5 min (1.8 - 4.0)"),
        (36 / 3600, (0.0, 72 / 3600), "36 s (0 - 72)"),
        (100.0, (24.0, 480.0), "4.2 d (1.0 - 20)"),
        (0.5, (None, None), "30 min"),
        (None, (None, None), "-"),
    ],
)
def test_an_interval_is_told_in_the_unit_of_the_life_left(
    hours: float | None, interval: tuple[float | None, float | None], text: str
) -> None:
    assert life_left(prediction(hours, rul_lower_hours=interval[0], rul_upper_hours=interval[1])) == text


@pytest.mark.parametrize("mode", [*FailureMode, "a_mode_of_another_model"])
def test_every_failure_mode_has_a_short_name_of_its_own(mode: str) -> None:
    assert 0 < len(mode_name(mode)) <= 10
    assert [mode_name(other) for other in FailureMode].count(mode_name(mode)) <= 1


def test_a_mode_is_told_with_its_probability_where_one_is_told() -> None:
    assert probable_mode(prediction()) == ""
    assert probable_mode(prediction(failure_mode="cavitation")) == "cavitation"
    assert probable_mode(prediction(failure_mode="cavitation", failure_mode_probability=0.5)) == "cavitation 50%"


def test_what_is_doubtful_is_marked_and_what_is_not_is_left_blank() -> None:
    sure, lies = prediction(), prediction(sensor_fault="temperature", novel=True, provisional=True)

    assert (short_marks(sure), marks(sure)) == ("", "")
    assert (short_marks(lies), marks(lies)) == ("N S temp ?", "novel, sensor temperature?, not yet sure")


def test_that_a_worn_pump_is_unlike_healthy_ones_is_no_news() -> None:
    worn = msgspec.structs.replace(prediction(novel=True), state=State.FAULTY)

    assert (short_marks(worn), marks(worn)) == ("", "")


def test_every_channel_has_a_short_name_of_its_own() -> None:
    assert len({channel_name(name) for name in CHANNEL_NAMES}) == len(CHANNEL_NAMES)
