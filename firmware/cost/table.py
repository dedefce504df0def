"""The core's cost as Markdown, for the terminal and for README.md."""

from collections.abc import Iterable, Mapping

from firmware.cost.chips import Size
from firmware.cost.measured import CLOCK_MHZ, CYCLES, CYCLES_AT_MOST, FIGURES, Cost, Count, Stack, Target, us


def table(cost: Cost) -> str:
    """All of it."""
    parts = [_targets(cost.targets), _static(cost.static_bytes)]
    if cost.counts is not None and cost.counts_with_floats is not None:
        parts.append(_counts(cost.counts, cost.counts_with_floats))
    parts += [_stack(cost.stack), *(_sizes(chip, sizes) for chip, sizes in cost.sizes.items())]
    parts += [f"Left out: {reason}." for reason in cost.left_out]
    return "\n\n".join([*parts, f"{cost.compiler}, -O2."])


def _rows(header: str, alignment: str, rows: Iterable[Iterable[str]]) -> str:
    return "\n".join([header, alignment, *("| " + " | ".join(cells) + " |" for cells in rows)])


def _time(microseconds: float) -> str:
    for limit, unit in ((1e3, "µs"), (1e6, "ms")):
        if microseconds < limit:
            return f"{microseconds / limit * 1e3:.3g} {unit}"
    return f"{microseconds / 1e6:.3g} s"


def _targets(targets: Iterable[Target]) -> str:
    rows = [
        [one.name, f"{one.value:,.0f} {one.unit}", f"{one.limit:,.0f} {one.unit}", "met" if one.met else "**missed**"]
        for one in targets
    ]
    return _rows("| target | measured | at most | |", "|---|---:|---:|---|", rows)


def _static(static: Mapping[str, int]) -> str:
    rows = [[name, f"{size:,}"] for name, size in static.items()]
    return _rows("| static memory | bytes |", "|---|---:|", [*rows, ["all", f"{sum(static.values()):,}"]])


def _counts(counts: Mapping[str, Count], with_floats: Mapping[str, Count]) -> str:
    rows = []
    for name, what in FIGURES.items():
        one = counts[name]
        rows.append(
            [
                what, f"{one.mean:,}", f"{one.worst:,}", _time(us(one.worst)), _time(us(one.worst, CYCLES_AT_MOST)),
                f"{with_floats[name].worst:,}", f"{one.stack:,}",
            ]
        )  # fmt: skip
    header = (
        f"| work | instructions, mean | worst | at {CLOCK_MHZ} MHz, {CYCLES} cycles each | {CYCLES_AT_MOST} cycles |"
        " worst with floats in hardware | stack used |"
    )
    return _rows(header, "|---|---:|---:|---:|---:|---:|---:|", rows)


def _stack(stack: Mapping[str, Stack]) -> str:
    rows = [
        [f"`{entry}`", *("" if size is None else f"{size:,}" for size in (one.bytes, one.at_flash, one.at_link))]
        for entry, one in stack.items()
    ]
    header = "| bytes of stack at worst, from | in all | where it calls flash | where it calls the link |"
    return _rows(header, "|---|---:|---:|---:|", rows)


def _sizes(chip: str, sizes: Mapping[str, Size]) -> str:
    rows = [[part, f"{size.text:,}", f"{size.data:,}", f"{size.bss:,}"] for part, size in sizes.items()]
    return _rows(f"| {chip} | text | data | bss |", "|---|---:|---:|---:|", rows)
