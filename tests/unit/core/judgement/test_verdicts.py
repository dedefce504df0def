"""The structure the judgement reads: order, lives, what may be missing."""

from dataclasses import replace

import numpy as np
import pytest

from pdm_platform.core.judgement.verdicts import Told, Truth, verdicts_of
from tests.unit.core.judgement.builders import BROKEN, changed, life, together


def test_rows_in_any_order_are_the_same_verdicts() -> None:
    whole = together(life("a"), life("b", readings=60))
    mixed = np.random.default_rng(1).permutation(len(whole))
    place = np.argsort(mixed)

    def shuffled(part: object) -> dict[str, np.ndarray]:
        return {name: getattr(part, name)[mixed] for name in part.__dataclass_fields__}  # type: ignore[attr-defined]

    again = verdicts_of(
        whole.device_ids[mixed],
        whole.time_ns[mixed],
        Truth(**shuffled(whole.truth)),
        Told(**shuffled(whole.told)),
        speed=whole.speed,
        alarms=tuple(change._replace(row=int(place[change.row])) for change in whole.alarms),
    )

    assert again.alarms == whole.alarms
    assert (again.device_ids == whole.device_ids).all()
    assert (again.truth.health_percent == whole.truth.health_percent).all()


def test_each_device_is_a_life_and_so_is_each_repair() -> None:
    once = life("a", readings=50)
    health = np.concatenate([np.linspace(100, 40, 25), np.linspace(95, 60, 25)])
    twice = changed(life("b", readings=50), truth={"health_percent": health})

    lives = replace(together(once, twice)).lives

    assert [(each.name, each.start, each.stop) for each in lives] == [("a", 0, 50), ("b", 50, 75), ("b #2", 75, 100)]


def test_a_life_lasts_from_its_first_reading_to_the_first_broken_one() -> None:
    (found,) = life(readings=101).lives

    assert found.failure == 90  # health 10 % is BROKEN
    assert found.length_hours == pytest.approx(90.0)


def test_a_life_cut_off_lasts_as_long_as_its_remaining_life_says() -> None:
    whole = life(readings=101)
    rows = np.arange(50)
    cut = verdicts_of(
        whole.device_ids[rows],
        whole.time_ns[rows],
        Truth(**{name: getattr(whole.truth, name)[rows] for name in Truth.__dataclass_fields__}),
        Told(**{name: getattr(whole.told, name)[rows] for name in Told.__dataclass_fields__}),
        speed=whole.speed,
    )
    unknown = changed(cut, truth={"rul_hours": np.full(50, np.nan)})

    assert cut.lives[0].failure is None
    assert cut.lives[0].length_hours == pytest.approx(90.0)
    assert np.isnan(unknown.lives[0].length_hours)


def test_a_pump_that_does_not_wear_lasts_for_ever() -> None:
    (found,) = life(wearing=False).lives

    assert (found.wearing, found.failure, found.length_hours) == (False, None, np.inf)


def test_what_is_not_told_is_nan_and_has_no_mode() -> None:
    told = Told.of_states(np.array([0, BROKEN]))

    assert told.state_index.tolist() == [0, BROKEN]
    assert told.mode_index.tolist() == [-1, -1]
    assert np.isnan(told.rul_median).all()
    assert not told.provisional.any()


def test_lengths_that_differ_an_unknown_speed_and_rows_out_of_order_are_refused() -> None:
    good = together(life("a"), life("b"))

    with pytest.raises(ValueError, match="health_percent"):
        changed(good, told={"health_percent": np.zeros(3)})
    with pytest.raises(ValueError, match="no speed is known of b"):
        replace(good, speed={"a": "stress"})
    with pytest.raises(ValueError, match="row 1 is out of order"):
        replace(good, device_ids=good.device_ids[::-1], time_ns=good.time_ns[::-1])
    with pytest.raises(ValueError, match="none of the four"):
        changed(good, truth={"state_index": np.full(len(good), 4)})
