"""What a prediction says, in the few words that fit a line of the terminal."""

from typing import Final

from pdm_platform.contract.failure_modes import FailureMode
from pdm_platform.contract.payloads import Prediction
from pdm_platform.contract.states import State

_MODES: Final[dict[str, str]] = {
    FailureMode.BEARING_WEAR: "bearing",
    FailureMode.IMPELLER_WEAR: "impeller",
    FailureMode.SEAL_LEAKAGE: "seal",
    FailureMode.CAVITATION: "cavitation",
    FailureMode.UNBALANCE: "unbalance",
    FailureMode.MISALIGNMENT: "misaligned",
    FailureMode.WINDING_DEGRADATION: "winding",
    FailureMode.PLUGGED_SUCTION: "plugged",
}
_CHANNELS: Final = {
    "vibration_x": "vib x",
    "vibration_y": "vib y",
    "vibration_z": "vib z",
    "vibration_rms": "vib rms",
    "temperature": "temp",
    "pressure": "press",
}
_SHORT_CELLS: Final = 10
# the first unit in which the life left is less than this many
_UNITS: Final = ((3600.0, "s", 120.0), (60.0, "min", 120.0), (1.0, "h", 72.0), (1.0 / 24.0, "d", float("inf")))


def _unit_of(hours: float) -> tuple[float, str]:
    """How many of the unit make an hour, and its name."""
    return next((an_hour, name) for an_hour, name, below in _UNITS if hours * an_hour < below)


def _number(value: float, unit: str) -> str:
    return f"{value:.1f}" if unit != "s" and 0 < value < 9.95 else f"{value:.0f}"


def duration(hours: float | None) -> str:
    """Remaining life as people say it; a dash where it is not known."""
    if hours is None:
        return "-"
    an_hour, unit = _unit_of(hours)
    return f"{_number(hours * an_hour, unit)} {unit}"


def life_left(prediction: Prediction) -> str:
    """The remaining life with its interval, where one is told, all in one unit: `12 min (8.5 - 21)`."""
    hours, lower, upper = prediction.rul_hours, prediction.rul_lower_hours, prediction.rul_upper_hours
    if hours is None or lower is None or upper is None:
        return duration(hours)
    an_hour, unit = _unit_of(hours)
    return f"{duration(hours)} ({_number(lower * an_hour, unit)} - {_number(upper * an_hour, unit)})"


def mode_name(mode: str | None) -> str:
    """A failure mode in one word of at most ten letters; nothing where none is told."""
    if mode is None:
        return ""
    return _MODES.get(mode) or mode.replace("_", " ")[:_SHORT_CELLS]


def probable_mode(prediction: Prediction) -> str:
    """The probable failure mode with its probability: `bearing 82%`."""
    sure = prediction.failure_mode_probability
    name = mode_name(prediction.failure_mode)
    return f"{name} {sure:.0%}" if name and sure is not None else name


def channel_name(channel: str) -> str:
    """A channel in a few letters."""
    return _CHANNELS.get(channel, channel)[:_SHORT_CELLS]


def is_odd(prediction: Prediction) -> bool:
    """Told HEALTHY, but like no healthy pump: a worn one is novel by itself, and that is no news."""
    return prediction.novel and prediction.state is State.HEALTHY


def short_marks(prediction: Prediction) -> str:
    """What makes the rest doubtful, in letters: `N` novel, `S temp` a sensor that may lie, `?` not yet sure."""
    found = ["N"] if is_odd(prediction) else []
    if prediction.sensor_fault is not None:
        found.append(f"S {channel_name(prediction.sensor_fault)}")
    if prediction.provisional:
        found.append("?")
    return " ".join(found)


def marks(prediction: Prediction) -> str:
    """The same in words: `novel, sensor temperature?, not yet sure`."""
    found = ["novel"] if is_odd(prediction) else []
    if prediction.sensor_fault is not None:
        found.append(f"sensor {prediction.sensor_fault}?")
    if prediction.provisional:
        found.append("not yet sure")
    return ", ".join(found)
