"""How well does the platform's own on-line novelty detector (core.departure) find what is wrong with the pump of SKAB?

How it is judged. Of each recording the first 400 rows are learnt, as in SKAB's own baselines, and each later one is
judged, by the rows up to it only. All rows of all recordings make one confusion. What may be set is chosen for each
recording on the others, so no recording is judged with settings that saw its labels.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from pdm_platform.benchmark.skab_files import Recording, read_recordings
from pdm_platform.core import departure, signals
from pdm_platform.core.departure import DepartureStates, Settings
from pdm_platform.core.signals import FeatureArray, SignalSpec, SignalStates
from pdm_platform.core.states_table import BoolArray, FloatArray, IntArray

Progress = Callable[[str], None]
LEARN_ROWS: Final = 400
FOLLOW_READINGS: Final = (150.0, 200.0, 250.0)
LIMITS: Final = (1.5, 1.65, 1.8, 2.0, 2.2, 2.5)
CRITERION: Final = "largest F1 - FAR over all other labelled files"
# Vibration and temperature vary with their level; a calm learning does not show it. By what a column's name contains.
_RELATIVE_FLOOR: Final = 0.06
_RELATIVE: Final = ("accelerometer", "vibration", "temperature", "thermocouple")


class Confusion(NamedTuple):
    """Counts of judged rows."""

    hit: int
    false: int
    missed: int
    quiet: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where there was nothing to find and nothing found."""
        return 2 * self.hit / max(2 * self.hit + self.false + self.missed, 1)

    @property
    def far(self) -> float:
        """False alarm rate: share of the normal rows that were called novel."""
        return self.false / max(self.false + self.quiet, 1)

    @property
    def mar(self) -> float:
        """Missed alarm rate: share of the anomalous rows that were not."""
        return self.missed / max(self.missed + self.hit, 1)


class Setting(NamedTuple):
    """What is chosen: time constant of the centre in readings, and the limit. See departure.Settings."""

    follow_readings: float = Settings().follow_readings
    limit: float = Settings().limit


@dataclass(frozen=True, slots=True)
class Judged:
    """A recording as judged. novelty, novel: (n,), NaN and False while learning. confusion: None without labels."""

    recording: Recording
    setting: Setting
    novelty: FloatArray
    novel: BoolArray
    confusion: Confusion | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """All recordings, as judged. seconds: of CPU time."""

    files: tuple[Judged, ...]
    seconds: float

    def confusion(self, group: str | None = None) -> Confusion:
        """Of all labelled files, or those of a group."""
        counted = [one.confusion for one in self.files if group in (None, one.recording.group)]
        return Confusion(*map(sum, zip(*filter(None, counted), strict=True))) if any(counted) else Confusion(0, 0, 0, 0)

    def groups(self) -> list[str]:
        """Folders with labelled files, sorted."""
        return sorted({one.recording.group for one in self.files if one.confusion is not None})

    def chosen(self) -> list[tuple[Setting, int]]:
        """Settings and how many files were judged with each, most used first."""
        return Counter(one.setting for one in self.files).most_common()


def judge_folder(folder: Path, *, progress: Progress) -> Outcome:
    """Judge all csv files below a folder. Raises BenchmarkFileError, naming the file, where one cannot be used."""
    started = time.process_time()
    recordings = read_recordings(folder, LEARN_ROWS)
    rows = sum(len(one.time_ns) for one in recordings)
    progress(f"{len(recordings)} files, {rows} rows; folds their features")
    fleet = Fleet(recordings)
    chosen = _chosen(fleet, progress)
    told = {setting: fleet.told(setting) for setting in set(chosen)}
    files = []
    for place, (one, setting) in enumerate(zip(recordings, chosen, strict=True)):
        novelty, novel = told[setting][place]
        confusion = None if one.anomaly is None else _confusion(one.anomaly, novel)
        files.append(Judged(one, setting, novelty, novel, confusion))
    return Outcome(tuple(files), time.process_time() - started)


def _chosen(fleet: "Fleet", progress: Progress) -> list[Setting]:
    """For each recording the setting that was best on the others; the default where no other one is labelled."""
    labelled = {place: one.anomaly for place, one in enumerate(fleet.recordings) if one.anomaly is not None}
    if not labelled:
        return [Setting()] * len(fleet.recordings)
    grid = list(itertools.starmap(Setting, itertools.product(FOLLOW_READINGS, LIMITS)))
    counts = np.zeros((len(fleet.recordings), len(grid), len(Confusion._fields)), np.int64)
    for number, setting in enumerate(grid):
        if number % len(LIMITS) == 0:
            progress(f"judges them under {len(LIMITS)} of {len(grid)} settings, from the {number + 1}. on")
        told = fleet.told(setting)
        for place, anomaly in labelled.items():
            counts[place, number] = _confusion(anomaly, told[place].novel)
    total = counts.sum(axis=0)
    return [
        _best(grid, total - own) if len(labelled) > (place in labelled) else Setting()
        for place, own in enumerate(counts)
    ]


def _best(grid: Sequence[Setting], counts: IntArray) -> Setting:
    gains = [confusion.f1 - confusion.far for confusion in itertools.starmap(Confusion, counts.tolist())]
    return grid[int(np.argmax(gains))]


def _confusion(anomaly: BoolArray, novel: BoolArray) -> Confusion:
    true, told = anomaly[LEARN_ROWS:], novel[LEARN_ROWS:]
    return Confusion(*(int(np.sum(rows)) for rows in (told & true, told & ~true, ~told & true, ~told & ~true)))


class _Batch(NamedTuple):
    """Recordings with the same channels, row after row, and what the platform's fold made of them."""

    places: list[int]
    device_ids: list[str]
    time_ns: IntArray
    features: FeatureArray
    states: type[DepartureStates]
    relative_floor: tuple[float, ...]


class Fleet:
    """Recordings side by side, each a device of the platform's own feature fold."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self.recordings = recordings
        by_channels: dict[tuple[str, ...], list[int]] = {}
        for place, one in enumerate(recordings):
            by_channels.setdefault(one.channels, []).append(place)
        self._batches = [self._folded(channels, places) for channels, places in by_channels.items()]

    def _folded(self, channels: tuple[str, ...], places: list[int]) -> _Batch:
        parts = [self.recordings[place] for place in places]
        signal_states, departure_states = _states_of(len(channels))
        device_ids = [one.name for one in parts for _ in one.time_ns]
        time_ns = np.concatenate([one.time_ns for one in parts])
        features = signals.fold(signal_states(), device_ids, time_ns, np.concatenate([one.values for one in parts]))
        relative = [any(word in name.lower() for word in _RELATIVE) for name in channels]
        floor = tuple(_RELATIVE_FLOOR if holds else 0.0 for holds in relative)
        return _Batch(places, device_ids, time_ns, features, departure_states, floor)

    def told(self, setting: Setting) -> dict[int, departure.Departure]:
        """What the detector says of each recording, by its place."""
        told: dict[int, departure.Departure] = {}
        for batch in self._batches:
            settings = Settings(
                learn_readings=LEARN_ROWS,
                follow_readings=setting.follow_readings,
                limit=setting.limit,
                relative_floor=batch.relative_floor,
            )
            said = departure.fold(batch.states(), batch.device_ids, batch.time_ns, batch.features, settings)
            ends = np.cumsum([len(self.recordings[place].time_ns) for place in batch.places])[:-1]
            for place, *arrays in zip(batch.places, *(np.split(values, ends) for values in said), strict=True):
                told[place] = departure.Departure(*arrays)
        return told


def _states_of(channels: int) -> tuple[type[SignalStates], type[DepartureStates]]:
    """States for devices with so many channels. They have numbers for names, as a file's may clash with a feature's."""
    spec = SignalSpec(channels=tuple(f"channel{number}" for number in range(channels)))

    class Signals(SignalStates):
        SPEC = spec
        CONTRACT = spec.contract
        COLUMNS = signals.columns_of(spec)

    class Departures(DepartureStates):
        SPEC = spec
        CONTRACT = departure.contract_of(spec)
        COLUMNS = departure.columns_of(spec)

    return Signals, Departures
