"""The simulator's parameters for the firmware's twin, the same pump twice: `python -m simulators.parameters`.

Writes firmware/core/parameters.hpp anew. Everything in it stands, with its source, in the module named beside it.
"""

from collections.abc import Iterable
from math import prod
from pathlib import Path
from statistics import NormalDist
from typing import Final

from pdm_platform.contract.channels import CHANNELS
from simulators import chaos, draws, duty, episodes, machine, physics, pump, wear
from simulators.encoding import DECIMALS
from simulators.lifetimes import LIVES, MODES
from simulators.signatures import AXIS_SHARES, SIGNATURES, Signature
from simulators.speeds import SPEEDS

HEADER: Final = Path(__file__).parents[1] / "firmware" / "core" / "parameters.hpp"
_TOP: Final = """\
// The parameters of pump, wear, duty, noise and chaos. Made by `python -m simulators.parameters`: change them there.
// Sources and reasons stand in the modules of simulators/ named below and in docs/simulation.md.
#pragma once

#include <stdint.h>

namespace pdm {
"""
_STRUCTS: Final = """
// lifetimes.py: survival exp(-(t / scale_hours) ** shape)
struct Weibull { double shape, scale_hours; };
// wear.py: mean wear is time to a power between these
struct Exponents { double low, high; };
// speeds.py
struct Pace {
    uint32_t min_readings, max_readings, interval_ms;
    double hours_per_reading;
    uint32_t slot_readings, min_segment_slots, max_segment_slots, min_stop_slots, max_stop_slots;
    double thermal_readings;
    uint32_t day_readings;
};
// physics.py: mean and one standard deviation of an even spread
struct Spread { double mean, deviation; };
// signatures.py: effect where the damage of a mode shows as 1
struct Signature {
    float trim, efficiency, leak, clog, friction, copper, slip, heat_c;
    float unbalance, misalignment, bearing, hydraulic, looseness, pulsation;
};
// signatures.py: share of a source of vibration on x, y, z
struct AxisShares { float x, y, z; };
// contract/channels.py: what can be a measurement, and the digits that its sensor gives
struct ChannelRange { double possible_min, possible_max; int decimals; };
"""
_DOUBLINGS: Final = 11
_NORMAL_COMMENT: Final = """
// Normal quantiles from the end of the law to its middle: at the first 16 levels, then 8 stretches to each doubling of
// the distance from the end. Coefficients of a cubic over the stretch, constant first, in 2^-28.
"""
# places of a stretch through which its cubic goes: about those of Chebyshev
_PLACES: Final = (0.038, 0.309, 0.691, 0.962)


def _number(value: float, single: bool = False) -> str:
    return f"{value!r}f" if single else repr(value)


def _row(values: Iterable[float], comment: str, *, single: bool = False) -> str:
    return "    {" + ", ".join(_number(value, single) for value in values) + f"}},  // {comment}\n"


def _table(kind: str, name: str, size: str, rows: Iterable[str]) -> str:
    return f"\nconstexpr {kind} {name}[{size}] = {{\n{''.join(rows)}}};\n"


def _constants() -> str:
    plain = {
        "BRIDGE_KNOTS": wear.KNOTS, "DAY_LEVELS": duty.DAY_LEVELS, "DRAW_LEVELS": draws.LEVELS,
        "EXPONENT_LEVELS": wear.EXPONENT_LEVELS, "START_LEVELS": wear.START_LEVELS,
        "BASELINE_READINGS": duty.BASELINE_READINGS, "CHAOS_NOT_BEFORE": episodes.NOT_BEFORE,
        "EPISODE_KINDS": episodes.KINDS, "DECAY_READINGS": duty.DECAY_READINGS, "NORMAL_DOUBLINGS": _DOUBLINGS,
    }  # fmt: skip
    exact = {
        "BRIDGE_SHAPE": wear.BRIDGE_SHAPE, "EARLIEST_START": wear.STARTS[0], "LATEST_START": wear.STARTS[1],
        "STOP_SHARE": duty.STOP_SHARE, "SPEED_CHANGE_SHARE": duty.SPEED_CHANGE_SHARE, "NIGHT_LOAD": duty.NIGHT_LOAD,
        "WORST_REPAIR": pump.WORST_REPAIR, "SPIKE_SHARE": chaos.SPIKE_SHARE,
        "RATED_RPM": machine.RATED_RPM, "SYNCHRONOUS_RPM": machine.SYNCHRONOUS_RPM,
        "RATED_CURRENT_A": machine.RATED_CURRENT_A, "RATED_HEAD_BAR": machine.RATED_HEAD_BAR,
        "RATED_RISE_C": machine.RATED_RISE_C, "SHUT_OFF_HEAD": machine.SHUT_OFF_HEAD,
        "CURVE_FALL": machine.CURVE_FALL, "STATIC_HEAD": machine.STATIC_HEAD,
        "NO_LOAD_CURRENT": machine.NO_LOAD_CURRENT, "COPPER_SHARE": machine.COPPER_SHARE,
        "HYDRAULIC_FLOOR": machine.HYDRAULIC_FLOOR, "HYDRAULIC_OFF_DESIGN": machine.HYDRAULIC_OFF_DESIGN,
    }  # fmt: skip
    single = {
        "NOISE_VIBRATION": physics.NOISE_VIBRATION, "NOISE_TEMPERATURE_C": physics.NOISE_TEMPERATURE_C,
        "NOISE_PRESSURE": physics.NOISE_PRESSURE, "NOISE_CURRENT": physics.NOISE_CURRENT,
        "NOISE_RPM": physics.NOISE_RPM, "PULSATION": physics.PULSATION,
        "SPIKE_MM_S": chaos.SPIKE_MM_S, "HEATWAVE_C": chaos.HEATWAVE_C,
    }  # fmt: skip
    return "\n" + "".join(
        [f"constexpr int {name} = {value};\n" for name, value in plain.items()]
        + [f"constexpr double {name} = {value!r};\n" for name, value in exact.items()]
        + [f"constexpr float {name} = {value!s}f;\n" for name, value in single.items()]
    )


def _upper_quantile(levels_from_end: float) -> float:
    return -NormalDist().inv_cdf((levels_from_end + 0.5) / draws.LEVELS)


def _cubic(place: list[float], value: list[float]) -> list[float]:
    """Coefficients of the cubic through four points, constant first, by Lagrange's formula."""
    coefficients = [0.0] * 4
    for at, to in zip(place, value, strict=True):
        a, b, c = (other for other in place if other != at)
        scale = to / prod(at - other for other in (a, b, c))
        for power, part in enumerate((-a * b * c, a * b + b * c + c * a, -(a + b + c), 1.0)):
            coefficients[power] += scale * part
    return coefficients


def _normal_rows() -> list[str]:
    rows = [[_upper_quantile(level), 0.0, 0.0, 0.0] for level in range(16)]
    for doublings in range(1, _DOUBLINGS + 1):
        # a stretch ends with its last level
        place = [part * (1.0 - 0.5**doublings) for part in _PLACES]
        for eighth in range(8, 16):
            rows.append(_cubic(place, [_upper_quantile((eighth + part) * 2**doublings) for part in place]))
    return ["    {" + ", ".join(str(round(number * 2**28)) for number in row) + "},\n" for row in rows]


def header() -> str:
    """The header's text."""
    paces = [
        _row(
            (
                pace.min_readings, pace.max_readings, round(pace.interval_s * 1_000), pace.hours_per_reading,
                pace.slot_readings, *pace.segment_slots, *pace.stop_slots, pace.thermal_readings, pace.day_readings,
            ),
            speed.value,
        )
        for speed, pace in SPEEDS.items()
    ]  # fmt: skip
    ranges = [
        f"    {{{channel.possible_min!r}, {channel.possible_max!r}, {digits}}},  // {channel.name}, {channel.unit}\n"
        for channel, digits in zip(CHANNELS, DECIMALS, strict=True)
    ]
    assert tuple(Signature._fields[8:13]) == tuple(AXIS_SHARES)
    tables = [
        _table("Weibull", "LIVES", str(len(MODES)), [_row(LIVES[mode], mode) for mode in MODES]),
        _table("Exponents", "EXPONENTS", str(len(MODES)), [_row(wear.EXPONENTS[mode], mode) for mode in MODES]),
        _table("Signature", "SIGNATURES", str(len(MODES)), [_row(SIGNATURES[m], m, single=True) for m in MODES]),
        _table("AxisShares", "AXIS_SHARES", str(len(AXIS_SHARES)),
               [_row(shares, name, single=True) for name, shares in AXIS_SHARES.items()]),
        _table("Pace", "PACES", str(len(SPEEDS)), paces),
        _table("Spread", "BUILT", str(len(physics.Unit)),
               [_row(physics.BUILT[unit], unit.name.lower()) for unit in physics.Unit]),
        _table("ChannelRange", "CHANNEL_RANGES", str(len(CHANNELS)), ranges),
        _NORMAL_COMMENT.rstrip("\n") + _table("int32_t", "NORMAL", f"{8 * (_DOUBLINGS + 2)}][4", _normal_rows()),
    ]  # fmt: skip
    return f"{_TOP}{_constants()}{_STRUCTS}{''.join(tables)}\n}}  // namespace pdm\n"


if __name__ == "__main__":
    HEADER.write_text(header(), encoding="utf-8")
