"""Asks the store what a dashboard asks: through a real Grafana's data sources, or the store itself."""

import csv
import io
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from pdm_platform.contract.times import NS_PER_MS
from tests.grafana.questions import Asked, Span
from tests.servers.grafana import Grafana
from tests.servers.influxd import Influxd

Row = Mapping[str, Any]
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# columns that say where a value comes from, and no value themselves
_PLACES = {"time", "Time", "result", "table", "_start", "_stop", "_time", "_field", "_measurement", ""}


def through_grafana(grafana: Grafana, asked: Asked, span: Span) -> list[Row]:
    """Rows of the answer, by Grafana's own way of asking. Raises AssertionError with its error."""
    shown = span.of(asked)
    query = {**asked.model, "intervalMs": asked.interval_s(span) * 1_000, "maxDataPoints": 900}
    times = {"from": str(shown.start_ns // NS_PER_MS), "to": str(shown.end_ns // NS_PER_MS)}
    try:
        answer = grafana.api("POST", "/api/ds/query", {**times, "queries": [query]})
    except urllib.error.HTTPError as error:
        raise AssertionError(str(error)) from error
    (result,) = answer["results"].values()
    assert "error" not in result, result["error"]
    return [row for frame in result["frames"] for row in _frame_rows(frame)]


def _frame_rows(frame: Mapping[str, Any]) -> list[Row]:
    names = [column["name"] + str(column.get("labels") or "") for column in frame["schema"]["fields"]]
    return [dict(zip(names, values, strict=True)) for values in zip(*frame["data"]["values"], strict=True)]


def of_store(influxd: Influxd, asked: Asked, span: Span) -> list[Row]:
    """Rows of the answer that the store gives to the final text. Raises AssertionError with its error."""
    text = asked.final(span)
    return flux(influxd, text) if asked.source == "pdm-flux" else influxql(influxd, text)


def influxql(influxd: Influxd, text: str) -> list[Row]:
    """Rows of an InfluxQL answer, with their tags."""
    form = urllib.parse.urlencode({"db": "pdm_raw", "q": text, "epoch": "ms"}).encode()
    (result,) = json.loads(_post(influxd, "/query", form, "application/x-www-form-urlencoded"))["results"]
    assert "error" not in result, result["error"]
    return [
        {**series.get("tags", {}), **dict(zip(series["columns"], values, strict=True))}
        for series in result.get("series", [])
        for values in series["values"]
    ]


def flux(influxd: Influxd, text: str) -> list[Row]:
    """Rows of a Flux answer, all values as text."""
    body = json.dumps({"query": text, "dialect": {"header": True, "annotations": []}}).encode()
    answer = _post(influxd, f"/api/v2/query?org={influxd.org}", body, "application/json").replace("\r\n", "\n")
    return [row for part in answer.split("\n\n") if part.strip() for row in csv.DictReader(io.StringIO(part))]


def _post(influxd: Influxd, path: str, body: bytes, kind: str) -> str:
    headers = {"Authorization": f"Token {influxd.operator_token}", "Content-Type": kind}
    request = urllib.request.Request(influxd.url + path, body, headers)
    try:
        with _OPENER.open(request, timeout=60.0) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(error.read().decode(errors="replace")) from error


def telling(rows: list[Row]) -> list[Row]:
    """Rows in which something is told: a value besides times and tags that is not null."""
    return [row for row in rows if any(value not in (None, "") for name, value in row.items() if name not in _PLACES)]
