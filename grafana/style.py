"""Colours, limits and mappings that mean the same on every dashboard. Named colours follow the dark or light look."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import (
    DashboardRegexMapOptions,
    DynamicConfigValue,
    FieldColorModeId,
    RegexMap,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import FailureMode
from pdm_platform.contract.states import (
    FAULTY_ABOVE_PERCENT,
    HEALTHY_ABOVE_PERCENT,
    STATES,
    WARNING_ABOVE_PERCENT,
    State,
)
from pdm_platform.core.alarms import CONDITION, NOVELTY, SENSOR_FAULT

COLOURS: Final = {State.HEALTHY: "green", State.WARNING: "yellow", State.FAULTY: "orange", State.BROKEN: "red"}
# letters in plain yellow cannot be read on white
_LETTERS: Final = {**COLOURS, State.WARNING: "dark-yellow"}
PLAIN: Final = "text"
# what makes a prediction doubtful
DOUBT: Final = "purple"
# of the contract: a reading whose novelty is above it is novel
NOVELTY_LIMIT: Final = 1.0
_MODE_COLOURS: Final = {
    FailureMode.BEARING_WEAR: "orange",
    FailureMode.IMPELLER_WEAR: "blue",
    FailureMode.SEAL_LEAKAGE: "semi-dark-blue",
    FailureMode.CAVITATION: "dark-yellow",
    FailureMode.UNBALANCE: "semi-dark-orange",
    FailureMode.MISALIGNMENT: "dark-orange",
    FailureMode.WINDING_DEGRADATION: "red",
    FailureMode.PLUGGED_SUCTION: "dark-blue",
}
_CONDITION_NAMES: Final = {CONDITION: "state", SENSOR_FAULT: "sensor fault", NOVELTY: "novelty"}


def limits(first: str, *steps: tuple[float, str]) -> ThresholdsConfig:
    """Colours by value: `first` below all steps, then each step's colour from its value on."""
    found = [Threshold(None, first), *(Threshold(value, colour) for value, colour in steps)]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def health_limits(*, letters: bool = False) -> ThresholdsConfig:
    """The colour of the state that a health in percent means; letters: of text in a table."""
    colours = _LETTERS if letters else COLOURS
    return limits(
        colours[State.BROKEN],
        (FAULTY_ABOVE_PERCENT, colours[State.FAULTY]),
        (WARNING_ABOVE_PERCENT, colours[State.WARNING]),
        (HEALTHY_ABOVE_PERCENT, colours[State.HEALTHY]),
    )


def state_colours(*, letters: bool = False) -> list[ValueMapping]:
    """A state's name in its colour; letters: of text in a table."""
    colours = _LETTERS if letters else COLOURS
    return texts({state.value: (state.value, colours[state]) for state in STATES})


def texts(shown: dict[str, tuple[str, str]]) -> list[ValueMapping]:
    """What is shown, and in which colour, for each value."""
    return [
        ValueMap(
            {
                value: ValueMappingResult(text=text, color=colour, index=index)
                for index, (value, (text, colour)) in enumerate(shown.items())
            }
        )
    ]


def mode_names() -> list[ValueMapping]:
    """Failure modes in words, each in a colour of its own."""
    return texts({mode.value: (mode.replace("_", " "), _MODE_COLOURS[mode]) for mode in FailureMode})


def channel_names() -> list[ValueMapping]:
    """Channels in words, where their sensors seem to lie."""
    return texts({name: (name.replace("_", " "), DOUBT) for name in CHANNEL_NAMES})


def condition_names() -> list[ValueMapping]:
    """Conditions of alarms in words."""
    colours = {CONDITION: PLAIN}
    return texts({name: (shown, colours.get(name, DOUBT)) for name, shown in _CONDITION_NAMES.items()})


def yes_or_no(yes: tuple[str, str], no: tuple[str, str]) -> list[ValueMapping]:
    """What is shown, and in which colour, for 1 and for 0."""
    return texts({"1": yes, "0": no})


def by_threshold() -> FieldColor:
    """Coloured by the limits."""
    return FieldColor().mode(FieldColorModeId.THRESHOLDS)


def by_name() -> FieldColor:
    """A colour for each name, the same in every panel."""
    return FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME)


def prop(name: str, value: object) -> DynamicConfigValue:
    """One property of an override."""
    return DynamicConfigValue(name, value)


def coloured(colour: str) -> DynamicConfigValue:
    """An override that gives a series its colour."""
    return prop("color", {"mode": "fixed", "fixedColor": colour})


def short_time() -> list[ValueMapping]:
    """An ISO 8601 text without its seconds; any other text as it is."""
    shown = ValueMappingResult(text="$1 $2", color=PLAIN, index=0)
    return [RegexMap(DashboardRegexMapOptions(pattern=r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*$", result=shown))]
