"""A thousand pumps: the fleet's dashboard still answers, also where each of them is chosen by name."""

import time
from collections.abc import Iterator

import pytest

from pdm_platform.contract.times import NS_PER_MS, NS_PER_S
from pdm_platform.inference.loader import LoadedModel
from pdm_platform.stores.telemetry import open_store
from simulators.plans import FleetPlan
from tests.grafana.answers import through_grafana
from tests.grafana.fleet import Plant
from tests.grafana.questions import Span, of_panels, of_variables
from tests.grafana.site_store import SiteStore, made_ready
from tests.servers.grafana import Grafana, needs_grafana, running_grafana
from tests.servers.influxd import needs_own_influxd, started_influxd

pytestmark = [pytest.mark.integration, needs_own_influxd, needs_grafana, pytest.mark.timeout(600)]
PUMPS = 1_000
NAMES = [f"{('north', 'south', 'harbour')[number % 3]}.pump-{number:04d}" for number in range(PUMPS)]
_MINUTES = 3
# looked at every half minute; the machine may be busy
ANSWERED_WITHIN_S = 10.0


@pytest.fixture(scope="module")
def end_ms() -> int:
    return time.time_ns() // NS_PER_MS


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, loaded: LoadedModel, end_ms: int) -> Iterator[SiteStore]:
    folder = tmp_path_factory.mktemp("large")
    with started_influxd(folder / "influxd") as influxd:
        made = made_ready(influxd, folder)
        writer = open_store(made.url, token=influxd.operator_token)
        plan = FleetPlan(pumps=PUMPS, interval_s=60.0, failing=40, chaos_pumps=20)
        Plant(writer, loaded).live(plan, end_ms - _MINUTES * 60_000, end_ms, names=NAMES)
        writer.close()
        yield made


@pytest.fixture(scope="module")
def grafana(store: SiteStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grafana]:
    folder = tmp_path_factory.mktemp("large-grafana")
    with running_grafana(folder, influx_url=store.influxd.url, token=store.token("grafana")) as server:
        yield server


def test_a_thousand_pumps_chosen_by_name_are_shown_in_seconds(grafana: Grafana, end_ms: int) -> None:
    span = Span((end_ms - 3 * 3_600_000) * NS_PER_MS, end_ms * NS_PER_MS + NS_PER_S)
    values = {"site": ["north.", "south.", "harbour."], "pump": NAMES, "silent": "10", "bucket": "pdm_raw"}
    worst = through_grafana(grafana, of_variables("fleet")["worst"].filled(values), span)
    found, slow = {}, {}
    for asked in of_panels("fleet"):
        began_s = time.monotonic()
        rows = through_grafana(
            grafana, asked.filled({**values, "worst": [str(row["device_id"]) for row in worst]}), span
        )
        found[asked.where] = rows
        if (took_s := time.monotonic() - began_s) > ANSWERED_WITHIN_S:
            slow[asked.where] = took_s

    assert slow == {}
    assert PUMPS in found["Pumps A"][0].values()
    assert len({name for row in found["Health and state of every pump A"] for name in row if "pump-" in name}) == PUMPS
    assert len({name for row in found["The 20 pumps in the worst state A"] for name in row if "pump-" in name}) == 20
