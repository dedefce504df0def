"""Which algorithm tells states best: pumps kept apart, a bounded search, the same for a seed."""

from collections.abc import Iterator

import numpy as np
import pytest

from pdm_platform.core import comparison
from pdm_platform.core.comparison import SETTINGS, Compared, best_settings, compare
from pdm_platform.core.lives import Lives
from pdm_platform.core.training import WEAR_COLUMNS
from pdm_platform.core.trees import TreeSettings
from tests.small_fleet import wearing_lives

COLUMNS = np.array(WEAR_COLUMNS)[::6]
OTHERS = {"limits on vibration", "logistic regression", "random forest"}


@pytest.fixture(scope="module")
def few_lives() -> Lives:
    return wearing_lives(plan={"stress": (1, 60, 6)})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of few trees: what is tested does not depend on how many."""
    few = tuple(TreeSettings(max_iter=2 + number, min_samples_leaf=5) for number in range(3))
    monkeypatch.setattr(comparison, "SETTINGS", few)


class Ticks:
    """A clock that goes on by `step_s` each time it is looked at."""

    def __init__(self, step_s: float) -> None:
        self._step_s, self.now_s = step_s, 0.0

    def __call__(self) -> float:
        self.now_s += self._step_s
        return self.now_s


def compared(lives: Lives, *, seed: int = 1, step_s: float = 0.0, said: list[str] | None = None) -> list[Compared]:
    told = [] if said is None else said
    return compare(lives, COLUMNS, seed=seed, budget_s=10.0, clock=Ticks(step_s), progress=told.append)


@pytest.mark.usefixtures("quick")
def test_every_algorithm_and_setting_is_judged_the_best_first(few_lives: Lives) -> None:
    said: list[str] = []

    found = compared(few_lives, said=said)

    scores = [each.macro_f1 for each in found]
    assert {each.name for each in found} == {*OTHERS, *(f"gradient boosting {number}" for number in (1, 2, 3))}
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)
    assert len(said) == len(found)


@pytest.mark.usefixtures("quick")
def test_once_the_budget_is_used_one_of_each_algorithm_was_still_tried(few_lives: Lives) -> None:
    said: list[str] = []

    found = compared(few_lives, step_s=5.0, said=said)

    assert {each.name for each in found} == {*OTHERS, "gradient boosting 1"}
    assert [text for text in said if "is not tried" in text] == [
        "budget of 10 s is used: gradient boosting 2 is not tried",
        "budget of 10 s is used: gradient boosting 3 is not tried",
    ]


@pytest.mark.usefixtures("quick")
def test_time_is_that_of_the_clock(few_lives: Lives) -> None:
    found = compared(few_lives, step_s=0.5)

    assert all(each.fit_s == pytest.approx(0.5) for each in found)
    assert all(each.predict_us > 0.0 for each in found)


@pytest.mark.usefixtures("quick")
def test_the_same_seed_finds_the_same(few_lives: Lives) -> None:
    one, again = (compared(few_lives, seed=3) for _ in range(2))

    assert one == again


@pytest.mark.usefixtures("quick")
def test_no_pump_teaches_and_judges_at_once(few_lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[set[str], set[str]]] = []
    folds = comparison._folds

    def noted(rows: Lives, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for taught, judged in folds(rows, seed):
            seen.append((set(rows.device_ids[taught].tolist()), set(rows.device_ids[judged].tolist())))
            yield taught, judged

    monkeypatch.setattr(comparison, "_folds", lambda rows, seed: list(noted(rows, seed)))
    compared(few_lives)

    assert len(seen) == 3
    assert all(not taught & judged for taught, judged in seen)
    assert set.union(*(judged for _, judged in seen)) == set(few_lives.device_ids.tolist())


def of(name: str, macro_f1: float, settings: TreeSettings | None = None) -> Compared:
    return Compared(name, macro_f1, 0.1, 1.0, settings)


def test_served_is_the_best_gradient_boosting_whatever_else_was_better() -> None:
    found = [of("random forest", 0.9), of("gradient boosting 2", 0.8, SETTINGS[1]), of("gradient", 0.7, SETTINGS[0])]

    assert best_settings(found) == SETTINGS[1]
    assert best_settings([of("random forest", 0.9)]) == SETTINGS[0]
    assert best_settings([]) == SETTINGS[0]
