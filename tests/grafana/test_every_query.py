"""Every query of every dashboard, asked of a real InfluxDB that holds what a plant of simulated pumps left there."""

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from pdm_platform.contract.times import NS_PER_S
from pdm_platform.stores.influx_buckets import HOURS, MINUTES, RAW
from tests.grafana.answers import Row, of_store, telling, through_grafana
from tests.grafana.conftest import Site
from tests.grafana.plant import NAMES
from tests.grafana.questions import (
    ALL,
    DASHBOARDS,
    Asked,
    Span,
    Values,
    content,
    of_annotations,
    of_panels,
    of_variables,
)
from tests.servers.grafana import Grafana, needs_grafana
from tests.servers.influxd import needs_own_influxd

pytestmark = [pytest.mark.integration, needs_own_influxd, pytest.mark.timeout(600)]
_DAY_H = 24
# The hours shown, for each of the buckets. The plant is a day and a half old.
SHOWN_H = {RAW.name("pdm"): 6, MINUTES.name("pdm"): 2 * _DAY_H, HOURS.name("pdm"): 20 * _DAY_H}
Ask = Callable[[Asked, Span], list[Row]]


def asked_at() -> Iterator[tuple[str, str]]:
    """Each dashboard over the ranges of all buckets; over one where it always asks the same ones."""
    for name, bucket in product(DASHBOARDS, SHOWN_H):
        if "bucket" in of_variables(name) or bucket == RAW.name("pdm"):
            yield name, bucket


each_range = pytest.mark.parametrize(("name", "bucket"), list(asked_at()))


@pytest.fixture(params=["store", pytest.param("grafana", marks=needs_grafana)])
def ask(request: pytest.FixtureRequest, site: Site) -> Ask:
    if request.param == "store":
        return lambda asked, span: of_store(site.influxd, asked, span)
    grafana: Grafana = request.getfixturevalue("grafana")
    return lambda asked, span: through_grafana(grafana, asked, span)


def shown(site: Site, bucket: str) -> Span:
    return Span(site.end_ns - SHOWN_H[bucket] * 3_600 * NS_PER_S, site.end_ns)


def chosen(ask: Ask, name: str, span: Span, **more: str) -> dict[str, str | list[str]]:
    """What is chosen in a dashboard just opened: All, the defaults, and what the hidden variables find."""
    values: dict[str, str | list[str]] = {
        one["name"]: str(one["current"]["value"]).replace("$__all", ALL)
        for one in content(name)["templating"]["list"]
        if "current" in one
    }
    values |= more
    for variable, asked in of_variables(name).items():
        if variable not in ("site", "pump"):
            found = [str(row.get("_value") or row["device_id"]) for row in ask(asked.filled(values), span)]
            values[variable] = found if variable == "worst" else found[0]
    return values


def answered(ask: Ask, asked: list[Asked], every_values: list[Values], span: Span) -> list[str]:
    """The queries that no choice of values gives a row for."""
    return [one.where for one in asked if not any(telling(ask(one.filled(values), span)) for values in every_values)]


@each_range
def test_every_query_of_every_panel_returns_rows(name: str, bucket: str, ask: Ask, site: Site) -> None:
    span = shown(site, bucket)
    # one pump at a time is shown: each query must find something about one of them
    choices = [{"pump": pump} for pump in NAMES] if name == "pump" else [{}]
    values = [chosen(ask, name, span, **choice) for choice in choices]

    assert {one.get("bucket", bucket) for one in values} == {bucket}
    assert answered(ask, of_panels(name), list(values), span) == []


@each_range
def test_every_annotation_returns_rows(name: str, bucket: str, ask: Ask, site: Site) -> None:
    span = shown(site, bucket)
    choices = [{"pump": pump} for pump in NAMES] if name == "pump" else [{}]
    values = [chosen(ask, name, span, **choice) for choice in choices]

    assert answered(ask, of_annotations(name), list(values), span) == []


@pytest.mark.parametrize("name", [name for name in DASHBOARDS if "site" in of_variables(name)])
def test_sites_and_pumps_can_be_chosen(name: str, ask: Ask, site: Site) -> None:
    span, variables = shown(site, RAW.name("pdm")), of_variables(name)
    sites = {str(value) for row in ask(variables["site"], span) for value in row.values()}
    of_north = ask(variables["pump"].filled({"site": ["north."]}), span)
    found = {str(value) for row in of_north for value in row.values()}

    assert sites >= set(NAMES)
    assert found & set(NAMES) == {pump for pump in NAMES if pump.startswith("north.")}
    assert not any(one.startswith("pump-") for one in found)


def test_the_worst_pumps_are_those_with_the_lowest_health(ask: Ask, site: Site) -> None:
    span = shown(site, RAW.name("pdm"))
    worst = chosen(ask, "fleet", span)["worst"]
    panel = next(one for one in of_panels("fleet") if one.where == "Mean health A")

    assert worst[0] in NAMES
    assert len(telling(ask(panel.filled({"site": ALL, "pump": list(worst)}), span))) == 1


def test_one_site_shows_its_pumps_only(ask: Ask, site: Site) -> None:
    span = shown(site, RAW.name("pdm"))
    (counted,) = (one for one in of_panels("fleet") if one.where == "Pumps A")
    (row,) = telling(ask(counted.filled({"site": ["south."], "pump": ALL}), span))

    assert 6 in row.values()
