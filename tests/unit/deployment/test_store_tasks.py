"""What the Flux tasks say, and which hours a span is cut into."""

import re

import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import PUMP_PREDICTION, PUMP_TELEMETRY, Window
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.deployment.store_tasks import PASSES, Pass, downsampled_fields, hourly, task_flux, task_name
from pdm_platform.stores.influx_buckets import HOURS, MINUTES


def hours_of(duration: str) -> float:
    units = {"s": 1 / 3_600, "m": 1 / 60, "h": 1.0}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)([smh])", duration))


def test_every_channel_and_what_the_model_says_is_downsampled_and_no_counter_or_text() -> None:
    assert downsampled_fields(PUMP_TELEMETRY) == (*CHANNEL_NAMES, "health_percent")
    assert downsampled_fields(PUMP_PREDICTION) == (
        *("p_healthy", "p_warning", "p_faulty", "p_broken"),
        *("health_percent", "rul_hours", "rul_lower_hours", "rul_upper_hours"),
        *("failure_mode_probability", "novelty", "sensor_fault_probability"),
    )


@pytest.mark.parametrize("bucket", [MINUTES, HOURS])
def test_every_moment_is_aggregated_at_once_a_day_later_and_a_week_later(bucket: object) -> None:
    spans = [(step, hours_of(step.start), hours_of(step.stop)) for step in PASSES if step.bucket is bucket]

    for step, start_h, stop_h in spans:
        # the windows of two runs touch: otherwise there would be times that no run looks at
        assert start_h - stop_h >= hours_of(step.every)
    assert min(stop_h for _, _, stop_h in spans) == 0
    assert {24, 168} <= {stop_h for _, _, stop_h in spans}


def test_no_two_tasks_have_the_same_name_or_start_in_the_same_minute_of_the_hour() -> None:
    assert len({task_name("pdm", step) for step in PASSES}) == len(PASSES)
    hourly_ones = [step.offset for step in PASSES if step.every == "1h"]
    assert len(set(hourly_ones)) == len(hourly_ones)


def test_a_task_writes_mean_min_and_max_of_both_measurements_into_its_own_bucket() -> None:
    text = task_flux("plant", "acme", Pass("hours", HOURS, "1h", "2m", "3h"))

    assert 'option task = {name: "plant: hours", every: 1h, offset: 2m}' in text
    assert text.count('to(bucket: "plant_1h", org: "acme", tagColumns: ["agg", "device_id"])') == 6
    assert text.count('from(bucket: "plant_raw")') == 6
    assert re.findall(r"every: 1h, fn: (\w+)", text) == ["mean", "min", "max"] * 2


def test_a_span_is_cut_into_the_whole_hours_that_hold_it() -> None:
    half = NS_PER_HOUR // 2

    assert hourly(Window(half, 2 * NS_PER_HOUR + 1)) == [
        Window(number * NS_PER_HOUR, (number + 1) * NS_PER_HOUR) for number in range(3)
    ]
    assert hourly(Window(NS_PER_HOUR, 2 * NS_PER_HOUR)) == [Window(NS_PER_HOUR, 2 * NS_PER_HOUR)]
