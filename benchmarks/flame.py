"""A flame graph as one SVG file, from folded stacks: `a;b;c 120` a line."""

from collections import Counter
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

_WIDTH: Final = 1_200
_ROW: Final = 17
_NARROWEST: Final = 0.4
_CHARACTER: Final = 6.6
_TOP: Final = 34


@dataclass(slots=True)
class Frame:
    """A function in one place of the stacks: what it and all below it cost, in the unit of the stacks."""

    name: str
    cost: int = 0
    below: dict[str, "Frame"] = field(default_factory=dict)

    def add(self, stack: list[str], cost: int) -> None:
        """Count one stack, outermost function first."""
        frame = self
        frame.cost += cost
        for name in stack:
            frame = frame.below.setdefault(name, Frame(name))
            frame.cost += cost

    @property
    def depth(self) -> int:
        """Rows that it takes."""
        return 1 + max((frame.depth for frame in self.below.values()), default=0)


def folded(stacks: Counter[str]) -> str:
    """The text that other tools for flame graphs read."""
    return "".join(f"{stack} {cost}\n" for stack, cost in sorted(stacks.items()))


def draw(stacks: Counter[str], title: str) -> str:
    """The picture. A frame is as wide as what it costs; hovering tells its name and share."""
    root = Frame("all")
    for stack, cost in stacks.items():
        root.add(stack.split(";"), cost)
    height = _TOP + _ROW * root.depth + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="monospace"'
        f' font-size="11"><rect width="100%" height="100%" fill="#fffdf7"/>',
        f'<text x="8" y="20" font-size="14">{escape(title)}</text>',
    ]
    _draw(root, 0.0, float(_WIDTH), 0, root.cost, parts)
    return "\n".join([*parts, "</svg>\n"])


def _draw(frame: Frame, left: float, width: float, row: int, total: int, parts: list[str]) -> None:
    if width < _NARROWEST or not total:
        return
    top = _TOP + _ROW * row
    share = 100.0 * frame.cost / total
    letters = int(width / _CHARACTER)
    label = escape(frame.name[:letters]) if letters > 3 else ""
    # a colour by name, so that a function has the same one wherever it stands
    hue = 20 + sum(map(ord, frame.name)) % 40
    parts.append(
        f"<g><title>{escape(frame.name)} {share:.1f} %</title>"
        f'<rect x="{left:.1f}" y="{top}" width="{max(width - 0.4, 0.2):.1f}" height="{_ROW - 1}"'
        f' fill="hsl({hue},85%,70%)"/><text x="{left + 3:.1f}" y="{top + 12}">{label}</text></g>'
    )
    for below in sorted(frame.below.values(), key=lambda each: each.name):
        wide = width * below.cost / frame.cost
        _draw(below, left, wide, row + 1, total, parts)
        left += wide


def write(stacks: Counter[str], path: Path, title: str) -> None:
    """Leave `path`, an SVG, and beside it the folded stacks."""
    path.write_text(draw(stacks, title), encoding="utf-8")
    path.with_suffix(".folded").write_text(folded(stacks), encoding="utf-8")
