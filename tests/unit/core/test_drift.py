"""Drift of healthy operation, and when it is time to train again."""

import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.drift import MIN_ROWS, DriftError, cooled_down, judge_drift, lasting_drift


def healthy(rows: int = 2_000, *, seed: int = 1) -> pd.DataFrame:
    """Readings scattered around 10 with a standard deviation of 1 in every channel."""
    values = np.random.default_rng(seed).normal(10.0, 1.0, size=(rows, len(CHANNEL_NAMES)))
    return pd.DataFrame(values, columns=list(CHANNEL_NAMES))


def test_readings_from_the_same_operation_have_not_drifted() -> None:
    judgement = judge_drift(healthy(seed=1), healthy(seed=2))

    assert not judgement.drifted
    assert judgement.share_drifted == 0.0
    assert judgement.largest_score < 0.2
    assert (judgement.reference_rows, judgement.current_rows) == (2_000, 2_000)


def test_the_score_is_the_shift_in_standard_deviations_however_many_readings_there_are() -> None:
    reference = healthy()
    few, many = healthy(200, seed=2), healthy(5_000, seed=3)

    scores = [judge_drift(reference, current + 0.8).channels[0].score for current in (few, many)]

    assert scores == pytest.approx([0.8, 0.8], abs=0.15)


def test_the_fleet_has_drifted_where_half_of_the_channels_have() -> None:
    moved = healthy(seed=2)
    moved[list(CHANNEL_NAMES[:4])] += 1.5

    judgement = judge_drift(healthy(), moved)

    assert judgement.drifted
    assert [channel.channel for channel in judgement.channels if channel.drifted] == list(CHANNEL_NAMES[:4])
    assert judgement.share_drifted == 0.5


def test_one_channel_moved_a_little_is_no_drift_of_the_fleet() -> None:
    moved = healthy(seed=2)
    moved["temperature"] += 1.5

    judgement = judge_drift(healthy(), moved)

    assert not judgement.drifted
    assert judgement.share_drifted == 1 / 8


def test_one_channel_moved_far_is_drift() -> None:
    moved = healthy(seed=2)
    moved["temperature"] += 7.5

    assert judge_drift(healthy(), moved).drifted


def test_a_channel_without_values_is_left_out_of_the_comparison() -> None:
    silent = healthy(seed=2)
    silent["pressure"] = np.nan

    judgement = judge_drift(healthy(), silent)

    pressure = next(channel for channel in judgement.channels if channel.channel == "pressure")
    assert pressure.score is None
    assert not pressure.drifted
    assert all(channel.score is not None for channel in judgement.channels if channel.channel != "pressure")


def test_single_missing_values_do_not_count_as_a_shift() -> None:
    holed = healthy(seed=2)
    holed.iloc[::7] = np.nan

    assert judge_drift(healthy(), holed).largest_score < 0.2


def test_a_constant_channel_that_stays_constant_has_not_drifted() -> None:
    reference, current = healthy(), healthy(seed=2)
    reference["rpm"] = current["rpm"] = 2_850.0

    assert not judge_drift(reference, current).drifted


@pytest.mark.parametrize("rows", [0, MIN_ROWS - 1])
def test_too_few_readings_are_an_error_and_not_an_all_clear(rows: int) -> None:
    with pytest.raises(DriftError, match=f"the window {rows}"):
        judge_drift(healthy(), healthy(rows))


def test_an_empty_reference_is_an_error() -> None:
    with pytest.raises(DriftError, match="reference has 0 rows"):
        judge_drift(healthy(0), healthy())


def test_the_report_is_self_contained_and_made_without_network_or_files(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(*address: object, **_options: object) -> None:
        raise AssertionError(f"drift tried the network: {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    page = judge_drift(healthy(), healthy(seed=2)).html

    assert "vibration_rms" in page
    assert 'src="http' not in page
    assert "<link" not in page
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


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
