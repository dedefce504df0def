"""The pictures of docs/simulation.md, drawn from the simulators themselves: `python -m simulators.plots`."""

import argparse
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

from simulators import duty, physics
from simulators.lifetimes import MODES, Lifetimes
from simulators.pump import FAILURE_MODES, IN_TURN, Fleet
from simulators.speeds import SPEEDS, Speed
from simulators.wear import KNOTS

SEED: Final = 7
_SHOWN: Final = {
    "vibration": (physics.RMS, "tab:red"),
    "temperature": (physics.TEMPERATURE, "tab:orange"),
    "pressure": (physics.PRESSURE, "tab:blue"),
    "current": (physics.CURRENT, "tab:green"),
}
# one whose life has stops, changes of speed and nights
_DUTY_PUMP: Final = 23
_SIZE: Final = (10.0, 6.0)


def main() -> None:
    """Draw all four."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("docs/images"), help="default: %(default)s")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in (("modes", _modes), ("wear", _wear), ("duty", _duty), ("lives", _lives)):
        figure = draw()
        figure.tight_layout()
        # without the date and version that matplotlib writes, the same picture is the same file
        figure.savefig(folder / f"simulation-{name}.png", dpi=80, metadata={"Software": None})
        plt.close(figure)


def _fleet(count: int, speed: Speed) -> Fleet:
    return Fleet.build(
        SEED,
        number=np.arange(count),
        speed=np.full(count, list(Speed).index(speed)),
        interval_s=np.full(count, SPEEDS[speed].interval_s),
        mode=np.full(count, IN_TURN),
    )


def _modes() -> Any:
    """One life a mode: channels relative to the pump's first forty readings."""
    fleet = _fleet(len(MODES), Speed.ACCELERATED)
    figure, axes = plt.subplots(2, 4, figsize=(13.0, 6.0), sharey=True)
    for pump, axis in zip(np.argsort(fleet.life.pattern), axes.ravel(), strict=True):
        steps = np.arange(fleet.life.readings[pump])
        channels = fleet.readings(np.full(len(steps), pump), steps).channels
        relative = channels / channels[: duty.BASELINE_READINGS].mean(axis=0)
        for name, (index, color) in _SHOWN.items():
            axis.plot(steps, relative[:, index], color=color, linewidth=0.7, label=name)
        axis.set_yscale("log")
        axis.set_ylim(0.3, 12.0)
        axis.set_yticks([0.5, 1.0, 2.0, 5.0, 10.0], ["0.5", "1", "2", "5", "10"])
        axis.set_title(FAILURE_MODES[fleet.life.pattern[pump]].replace("_", " "))
    axes[0, 2].legend(loc="upper left", fontsize=8)
    axes[1, 0].set_xlabel("reading")
    axes[0, 0].set_ylabel("relative to the new pump")
    return figure


def _wear() -> Any:
    """Wear of each mode over its own life, of twenty pumps."""
    fleet = _fleet(20, Speed.STRESS)
    figure, axes = plt.subplots(2, 4, figsize=_SIZE, sharex=True, sharey=True)
    age = np.arange(KNOTS + 1) / KNOTS
    for index, axis in enumerate(axes.ravel()):
        axis.plot(age, fleet.life.knots[:, index, : KNOTS + 1].T, color="tab:blue", linewidth=0.5)
        axis.set_title(MODES[index].replace("_", " "), fontsize=10)
    axes[1, 0].set_xlabel("share of the mode's own life")
    axes[0, 0].set_ylabel("wear")
    return figure


def _duty() -> Any:
    """A nominal life: what is asked of the pump and what the weather does, before wear shows."""
    fleet = _fleet(_DUTY_PUMP + 1, Speed.NOMINAL)
    steps = np.arange(0, 8_000, 8)
    channels = fleet.readings(np.full(len(steps), _DUTY_PUMP), steps).channels
    figure, axes = plt.subplots(4, 1, figsize=_SIZE, sharex=True)
    labels = {"pressure": "bar", "current": "A", "temperature": "°C", "vibration": "mm/s"}
    for axis, (name, unit) in zip(axes, labels.items(), strict=True):
        index, color = _SHOWN[name]
        axis.plot(steps * SPEEDS[Speed.NOMINAL].interval_s / 3_600, channels[:, index], color=color, linewidth=0.6)
        axis.set_ylabel(f"{name}, {unit}", fontsize=9)
    axes[-1].set_xlabel("hours")
    return figure


def _lives() -> Any:
    """How long pumps live at stress speed, and what they die of, by the law of competing risks."""
    count = 20_000
    number = np.arange(count)
    times = Lifetimes.draw(SEED, number, np.zeros_like(number), np.zeros_like(number), np.full(count, -1))
    pace = SPEEDS[Speed.STRESS]
    figure, (left, right) = plt.subplots(1, 2, figsize=(_SIZE[0], 4.0))
    lengths = np.arange(pace.min_readings, pace.max_readings + 2) - 0.5
    by_mode = [times.readings[times.mode == mode] for mode in range(len(MODES))]
    left.hist(by_mode, bins=lengths[::4].tolist(), stacked=True, label=[mode.replace("_", " ") for mode in MODES])
    left.set_xlabel("readings of a life")
    left.set_ylabel("pumps")
    left.legend(fontsize=7, loc="lower left")
    right.barh([mode.replace("_", " ") for mode in MODES], [100.0 * len(one) / count for one in by_mode])
    right.set_xlabel("ends so many lives, %")
    return figure


if __name__ == "__main__":
    main()
