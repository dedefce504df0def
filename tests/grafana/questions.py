"""What the committed dashboards ask, and what Grafana's browser side and its back end make of it for the store."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from grafana.build import HERE
from pdm_platform.contract.times import NS_PER_S, iso_of

DASHBOARDS: Final = {path.stem: path for path in sorted((HERE / "dashboards").glob("*.json"))}
ALL: Final = ".*"
# a wide panel on a wall screen
_POINTS: Final = 900
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+)(?::(?P<form>\w+))?\}|\$(?P<plain>(?!__|timeFilter\b)\w+)")
_REGEX_SIGNS: Final = re.compile(r"[\\^$.*+?()\[\]{}|/]")
Values = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One query. where: for people. min_s: the shortest interval it is asked at. since_s: its panel's own range."""

    where: str
    source: str
    text: str
    model: Mapping[str, Any]
    min_s: int = 1
    since_s: int = 0

    def filled(self, values: Values) -> "Asked":
        """With the variables replaced, as the browser does before it asks."""
        text = filled(self.text, values)
        return replace(self, text=text, model={**self.model, "query": text})

    def interval_s(self, span: "Span") -> int:
        """`$__interval` over this span."""
        return max(self.min_s, span.of(self).length_s // _POINTS, 1)

    def final(self, span: "Span") -> str:
        """The text that the store gets, with the back end's macros replaced."""
        shown, every = span.of(self), f"{self.interval_s(span)}s"
        if self.source == "pdm-flux":
            times = {"timeRangeStart": iso_of(shown.start_ns), "timeRangeStop": iso_of(shown.end_ns)}
            text = self.text.replace("v.windowPeriod", every)
            for name, value in times.items():
                text = text.replace(f"v.{name}", value)
            return text
        within = f"time >= {shown.start_ns} and time <= {shown.end_ns}"
        return self.text.replace("$timeFilter", within).replace("$__interval", every)


@dataclass(frozen=True, slots=True)
class Span:
    """A shown range."""

    start_ns: int
    end_ns: int

    @property
    def length_s(self) -> int:
        return (self.end_ns - self.start_ns) // NS_PER_S

    def of(self, asked: Asked) -> "Span":
        """The range that this query's panel shows."""
        return Span(self.end_ns - asked.since_s * NS_PER_S, self.end_ns) if asked.since_s else self


def content(name: str) -> dict[str, Any]:
    """A committed dashboard."""
    found: dict[str, Any] = json.loads(DASHBOARDS[name].read_text(encoding="utf-8"))
    return found


def panels(name: str) -> Iterator[dict[str, Any]]:
    """Its panels, also those in rows that come closed; not the rows themselves."""
    for panel in content(name)["panels"]:
        yield from panel.get("panels", []) if panel["type"] == "row" else [panel]


def of_panels(name: str) -> list[Asked]:
    """Every query of every panel."""
    return [
        _asked(
            f"{panel['title']} {target['refId']}",
            target,
            min_s=_seconds(panel.get("interval", "1s")),
            since_s=_seconds(panel.get("timeFrom", "0s")),
        )
        for panel in panels(name)
        for target in panel["targets"]
    ]


def of_annotations(name: str) -> list[Asked]:
    """Every annotation's query."""
    return [_asked(f"annotation {one['name']}", one["target"]) for one in content(name)["annotations"]["list"]]


def of_variables(name: str) -> dict[str, Asked]:
    """Every variable's query, by the variable's name, in the order in which they are asked."""
    return {
        # rawQuery: so does the browser ask
        one["name"]: _asked(
            f"variable {one['name']}", {**one["query"], "datasource": one["datasource"], "rawQuery": True}
        )
        for one in content(name)["templating"]["list"]
        if one["type"] == "query"
    }


def filled(text: str, values: Values) -> str:
    """Variables replaced: `$x` and `${x}` as they are, `${x:regex}` as a pattern that matches the values."""

    def value(found: re.Match[str]) -> str:
        chosen = values[found["name"] or found["plain"]]
        if isinstance(chosen, str):
            # all of a variable: the value given for it is a pattern already
            return chosen if chosen == ALL or found["form"] != "regex" else _literally(chosen)
        return f"({'|'.join(_literally(one) for one in chosen)})" if found["form"] == "regex" else ",".join(chosen)

    return _VARIABLE.sub(value, text)


def _literally(text: str) -> str:
    return _REGEX_SIGNS.sub(lambda sign: "\\" + sign[0], text)


def _asked(where: str, target: Mapping[str, Any], **more: int) -> Asked:
    return Asked(where=where, source=target["datasource"]["uid"], text=target["query"], model=target, **more)


def _seconds(text: str) -> int:
    return int(text[:-1]) * _UNITS_S[text[-1]]
