"""One alert rule as Grafana's file provisioning reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana.queries import Query

EXPRESSION: Final = "__expr__"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """One rule. It fires for each series whose value is `above` or `below` the limit for `for_s` seconds.

    queries: one, or two whose first is divided by the second. range_s: how far back they look.
    no_data: what a query without rows means, 'OK' or 'Alerting'. dashboard: uid of where to look.
    """

    uid: str
    title: str
    severity: str
    queries: Sequence[Query]
    range_s: int
    limit: float
    below: bool = False
    for_s: int = 0
    no_data: str = "OK"
    summary: str
    description: str
    dashboard: str

    def fires_at(self, value: float) -> bool:
        """Whether this value is bad."""
        return value < self.limit if self.below else value > self.limit

    def to_json(self) -> dict[str, Any]:
        """As Grafana's file provisioning reads it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "condition": "bad",
            "for": f"{self.for_s}s",
            "noDataState": self.no_data,
            "execErrState": "Error",
            "dashboardUid": self.dashboard,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.description},
            "data": self._steps(),
        }

    def _steps(self) -> list[dict[str, Any]]:
        steps = [self._asked(query) for query in self.queries]
        steps += [_expression(f"last{query.ref}", "reduce", query.ref, reducer="last") for query in self.queries]
        value = "lastA"
        if len(self.queries) == 2:
            steps.append(_expression("share", "math", "$lastA / $lastB"))
            value = "share"
        evaluator = {"type": "lt" if self.below else "gt", "params": [self.limit]}
        return [*steps, _expression("bad", "threshold", value, conditions=[{"evaluator": evaluator}])]

    def _asked(self, query: Query) -> dict[str, Any]:
        return {
            "refId": query.ref,
            "datasourceUid": query.source.uid,
            "relativeTimeRange": {"from": self.range_s, "to": 0},
            "model": {**query.to_json(), "datasource": query.source.to_json(), "intervalMs": 1_000},
        }


def _expression(ref: str, kind: str, of: str, **more: object) -> dict[str, Any]:
    model = {
        "refId": ref,
        "type": kind,
        "expression": of,
        "datasource": {"type": EXPRESSION, "uid": EXPRESSION},
        **more,
    }
    return {"refId": ref, "datasourceUid": EXPRESSION, "model": model}


def told(ref: str, look: str) -> str:
    """A step's value in a text; nothing where a query without rows gave it none."""
    return f"{{{{ with $values.{ref} }}}}{{{{ {look} .Value }}}}{{{{ end }}}}"
