"""Each alert rule fires on what it is for and on nothing else, asked of a real InfluxDB and by a real Grafana."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from grafana.alert_rule import AlertRule
from grafana.alerts import rules
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.stores.telemetry import open_store
from tests.grafana.alert_cases import CASES, Case
from tests.grafana.answers import of_store
from tests.grafana.questions import Asked, Span
from tests.grafana.site_store import SiteStore, made_ready
from tests.servers.grafana import Grafana, needs_grafana, running_grafana
from tests.servers.influxd import needs_own_influxd, started_influxd

pytestmark = [pytest.mark.integration, needs_own_influxd, pytest.mark.timeout(600)]
RULES = {rule.uid: rule for rule in rules()}
# Most rules look a day back; that on jobs looks a month back, and its cases have jobs of their own. All cases together
# must lie within the month that the store keeps.
_AT_MOST_S, _BETWEEN_S = 86_400, 3_600
START_NS = time.time_ns()
Fires = Callable[[Case], set[str]]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteStore]:
    """A store with nothing in it but each case, as much of the past for each as its rule looks at."""
    folder = tmp_path_factory.mktemp("quiet")
    with started_influxd(folder / "influxd") as influxd:
        store = made_ready(influxd, folder)
        writer = open_store(store.url, token=influxd.operator_token)
        for case in CASES:
            case.write(writer, influxd, moment(case))
        writer.close()
        yield store


@pytest.fixture(scope="module")
def untold(quiet: SiteStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grafana]:
    """Grafana where nobody gave an address for alerts."""
    folder = tmp_path_factory.mktemp("untold")
    with running_grafana(folder, influx_url=quiet.influxd.url, token=quiet.token("grafana")) as server:
        yield server


def moment(case: Case) -> int:
    """When the case is, in ns: the last ones the latest."""
    later = CASES[CASES.index(case) + 1 :]
    apart_s = [min(RULES[other.rule].range_s, _AT_MOST_S) + _BETWEEN_S for other in later]
    return START_NS - (sum(apart_s) + _BETWEEN_S) * NS_PER_S


@pytest.fixture(params=["store", pytest.param("grafana", marks=needs_grafana)])
def fires(request: pytest.FixtureRequest, quiet: SiteStore) -> Fires:
    if request.param == "store":
        return lambda case: _by_store(quiet, RULES[case.rule], moment(case))
    server: Grafana = request.getfixturevalue("untold")
    return lambda case: _by_grafana(server, RULES[case.rule], moment(case))


def _by_store(quiet: SiteStore, rule: AlertRule, now_ns: int) -> set[str]:
    """The queries asked of the store; the rest of the rule's steps done here."""
    span = Span(now_ns - rule.range_s * NS_PER_S, now_ns)
    newest: list[dict[str, float]] = []
    for query in rule.queries:
        asked = Asked(where=rule.uid, source=str(query.source.uid), text=query.text, model={})
        newest.append({_whose(row): _number(row) for row in of_store(quiet.influxd, asked, span)})
    if not newest[0]:
        return {""} if rule.no_data == "Alerting" else set()
    if len(newest) == 2:
        return {key for key, part in newest[0].items() if rule.fires_at(part / newest[1][key])}
    return {key for key, value in newest[0].items() if rule.fires_at(value)}


def _whose(row: Any) -> str:
    return str(row.get("device_id") or row.get("job") or "")


def _number(row: Any) -> float:
    (value,) = (row[name] for name in row if name not in ("device_id", "job", "time", "_time", "", "result", "table"))
    return float(value)


def _by_grafana(server: Grafana, rule: AlertRule, now_ns: int) -> set[str]:
    """Grafana evaluates all of it, as of then."""
    now = datetime.fromtimestamp(now_ns / NS_PER_S, UTC).isoformat()
    made = rule.to_json()
    results = server.api("POST", "/api/v1/eval", {"data": made["data"], "condition": "bad", "now": now})["results"]
    assert not [result["error"] for result in results.values() if "error" in result]
    values = [field for frame in results["bad"]["frames"] for field in _numbers(frame)]
    if not values:
        return {""} if rule.no_data == "Alerting" else set()
    return {_whose(labels) for labels, value in values if value == 1}


def _numbers(frame: Any) -> Iterator[tuple[dict[str, str], float]]:
    for field, values in zip(frame["schema"]["fields"], frame["data"]["values"], strict=True):
        if field["type"] == "number" and values and values[0] is not None:
            yield field.get("labels") or {}, float(values[0])


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule}: {case.what}" for case in CASES])
def test_a_rule_fires_for_whom_it_should_and_for_nobody_else(case: Case, fires: Fires) -> None:
    jobs = {row["job"] for _measurement, _ago_s, row in case.rows if "job" in row}

    # another case's job may have failed within the month
    assert {one for one in fires(case) if not jobs or one in jobs} == case.fires


def test_every_rule_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    assert {case.rule for case in CASES if case.fires} == {case.rule for case in CASES if not case.fires} == set(RULES)


@needs_grafana
def test_grafana_starts_without_an_address_for_alerts_and_tells_nobody(untold: Grafana) -> None:
    policy = untold.api("GET", "/api/v1/provisioning/policies")
    patterns = [route["object_matchers"] for route in policy["routes"]]
    points = {point["name"] for point in untold.api("GET", "/api/v1/provisioning/contact-points")}

    assert [line for line in untold.complaints() if "provisioning" in line and "plugins" not in line] == []
    assert {rule["uid"] for rule in untold.api("GET", "/api/v1/provisioning/alert-rules")} == set(RULES)
    assert {"webhook", "email"} <= points
    assert patterns == [[["alertname", "=~", ""]], [["alertname", "=~", ""]], [["alertname", "=~", ".+"]]]
    assert policy["routes"][2]["mute_time_intervals"] == ["always"]
