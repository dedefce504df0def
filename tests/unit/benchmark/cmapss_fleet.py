"""Small run-to-failure files in the format of C-MAPSS: engines that wear along one direction, seen through noise."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ALTITUDES_MACH_ANGLES = np.array([[0.0, 0.0, 100.0], [25.0, 0.62, 60.0], [42.0, 0.84, 100.0]])
SENSORS = 6


def write_set(
    folder: Path,
    name: str = "FD001",
    *,
    train: int = 14,
    test: int = 8,
    life_cycles: float = 120.0,
    conditions: int = 1,
    seed: int = 3,
) -> Path:
    """Write train_, test_ and RUL_NAME.txt, and return the folder."""
    draw = np.random.default_rng(seed)
    lives = [draw.normal(life_cycles, 0.15 * life_cycles) for _ in range(train + test)]
    whole = [engine(round(max(life, 8.0)), conditions, draw) for life in lives]
    cuts = [round(len(rows) * draw.uniform(0.5, 0.95)) for rows in whole[train:]]
    remaining = [len(rows) - cut for rows, cut in zip(whole[train:], cuts, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    write_engines(folder / f"train_{name}.txt", whole[:train])
    write_engines(folder / f"test_{name}.txt", [rows[:cut] for rows, cut in zip(whole[train:], cuts, strict=True)])
    (folder / f"RUL_{name}.txt").write_text("".join(f"{cycles} \n" for cycles in remaining))
    return folder


def engine(cycles: int, conditions: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """Settings and sensors of one engine, (cycles, 3 + SENSORS + 1); the last sensor tells nothing."""
    condition = draw.integers(0, conditions, cycles)
    settings = ALTITUDES_MACH_ANGLES[condition] + draw.uniform(-1.0, 1.0, (cycles, 3)) * [0.004, 0.0004, 0.0]
    wear = np.linspace(0.0, 1.0, cycles) ** 2
    gain = np.linspace(1.0, 2.0, SENSORS)
    level = 500.0 + 80.0 * condition[:, None] + gain * wear[:, None] + draw.normal(0.0, 0.05, SENSORS)
    scale = 1.0 + condition[:, None]
    sensors = level + scale * draw.normal(0.0, 0.08, (cycles, SENSORS))
    return np.column_stack([settings, sensors, np.full(cycles, 14.62)])


def write_engines(path: Path, engines: list[NDArray[np.float64]]) -> None:
    """A line a cycle, engines numbered from 1, blanks at the end as NASA has them."""
    lines = [
        f"{number} {cycle} " + " ".join(f"{value:.4f}" for value in row) + "  \n"
        for number, rows in enumerate(engines, start=1)
        for cycle, row in enumerate(rows, start=1)
    ]
    path.write_text("".join(lines))
