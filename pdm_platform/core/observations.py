"""What the parts of a history showed, and what they show together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from pdm_platform.contract.errors import LakeError
from pdm_platform.core.expectations import Kind, Rule, ValidationLimits, rules
from pdm_platform.core.findings import Finding

EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Observation:
    """What one part showed of one rule.

    rows, unexpected: rows that were looked at, and those that fail, of VALUES. value: the number of a TOTAL or a LEAST,
    and of SCHEMA how many columns there are. missing: columns. problem: why it could not be checked; '' where it could.
    """

    rows: int = 0
    unexpected: int = 0
    value: float | int | None = None
    missing: tuple[str, ...] = ()
    problem: str = ""
    examples: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class PartJudgement:
    """What one part showed: its rows, its first and its last device ('' where unknown), observations by rule."""

    rows: int
    first_device: str
    last_device: str
    observations: dict[str, Observation] = field(repr=False)


def findings_of(parts: Sequence[PartJudgement], *, limits: ValidationLimits | None = None) -> list[Finding]:
    """What all parts together show: one finding for each of FINDING_NAMES, in that order.

    parts: in the order of their devices. What could not be checked in any part, or had no rows in all of them, has
    failed. Raises LakeError where a device lies in two parts: of its time and its life nothing would be known.
    """
    for before, after in pairwise(parts):
        require_whole(before.last_device, after.first_device)
    empty = not sum(part.rows for part in parts)
    return [
        _finding(rule, [part.observations[rule.name] for part in parts], empty=empty)
        for rule in rules(limits or ValidationLimits())
    ]


def require_whole(last_device: str, first_device: str) -> None:
    """Raises LakeError where the device that a part begins with does not come after the last of the part before."""
    if first_device and last_device >= first_device:
        raise LakeError(
            f"the part after {last_device!r} begins with {first_device!r}: a device may lie in one part only",
            hint="An older release wrote the rows: materialise 'telemetry_window' again.",
        )


def _finding(rule: Rule, seen: Sequence[Observation], *, empty: bool) -> Finding:
    passed, observed = (False, "no rows") if empty and rule.kind is not Kind.SCHEMA else _verdict(rule, seen)
    examples = [example for observation in seen for example in observation.examples]
    return Finding(
        name=rule.name,
        passed=passed,
        expectation=rule.expectation_type,
        column=rule.column,
        observed=observed,
        expected=rule.expected,
        unexpected_count=sum(observation.unexpected for observation in seen),
        examples=tuple(examples[:EXAMPLES]),
    )


def _verdict(rule: Rule, seen: Sequence[Observation]) -> tuple[bool, str]:
    """Whether the rule holds for all parts together, and what was observed."""
    if problem := next((observation.problem for observation in seen if observation.problem), ""):
        return False, f"could not be checked: {problem}"
    if rule.kind is Kind.SCHEMA:
        missing = sorted({name for observation in seen for name in observation.missing})
        return not missing, f"missing columns: {', '.join(missing)}" if missing else f"{seen[0].value} columns"
    if rule.kind is Kind.VALUES:
        rows, unexpected = (sum(getattr(one, name) for one in seen) for name in ("rows", "unexpected"))
        # an expectation on values holds for no values; that must not open the gate
        passed = rows > 0 and rule.tolerates(unexpected, rows)
        return passed, f"{unexpected} of {rows} rows unexpected" if rows else "no rows"
    values = [observation.value for observation in seen if observation.value is not None]
    value = sum(values) if rule.kind is Kind.TOTAL else min(values)
    return rule.allows(value), f"{value:.6g}" if isinstance(value, float) else str(value)
