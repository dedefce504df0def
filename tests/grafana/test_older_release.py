"""A store that an older release filled: the dashboards show what it told, and leave empty what it did not."""

import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from pdm_platform.contract.measurements import DEVICE, PUMP_PREDICTION, PUMP_TELEMETRY, TIME
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.stores.telemetry import open_store
from tests.grafana.answers import of_store, telling
from tests.grafana.questions import ALL, Span, of_annotations, of_panels
from tests.grafana.site_store import SiteStore, made_ready
from tests.servers.influxd import needs_own_influxd, started_influxd

pytestmark = [pytest.mark.integration, needs_own_influxd, pytest.mark.timeout(300)]
END_NS = time.time_ns()
SHOWN = Span(END_NS - 3_600 * NS_PER_S, END_NS + NS_PER_S)
CHOSEN = {"site": ALL, "silent": "10", "bucket": "pdm_raw", "worst": ["p-1"]}


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteStore]:
    """An hour of a pump that wears, as the first release told it."""
    folder = tmp_path_factory.mktemp("older")
    times = [END_NS - age_s * NS_PER_S for age_s in range(3_600, 0, -60)]
    said = {"state": "WARNING", "p_warning": 1.0, "health_percent": 60.0, "rul_hours": 5.0, "model_version": "v1"}
    with started_influxd(folder / "influxd") as influxd:
        made = made_ready(influxd, folder)
        writer = open_store(made.url, token=influxd.operator_token)
        for measurement, fields in ((PUMP_TELEMETRY, {"temperature": 40.0}), (PUMP_PREDICTION, said)):
            rows = [{DEVICE: "p-1", TIME: time_ns, **fields} for time_ns in times]
            writer.write(measurement, pa.Table.from_pylist(rows, schema=measurement.schema))
        writer.close()
        yield made


@pytest.mark.parametrize(("name", "pump"), [("fleet", ALL), ("pump", "p-1")])
def test_no_query_fails_where_a_field_was_never_written(older: SiteStore, name: str, pump: str) -> None:
    asked = [*of_panels(name), *of_annotations(name)]

    told = {
        one.where: len(telling(of_store(older.influxd, one.filled({**CHOSEN, "pump": pump}), SHOWN))) for one in asked
    }

    wanted = ("Next to fail A", "Mean health A") if name == "fleet" else ("Remaining life A", "Health A", "State A")
    assert [where for where in wanted if not told[where]] == []
    unsaid = ("Doubtful A", "Novel A") if name == "fleet" else ("Novelty A",)
    assert [where for where in unsaid if told[where]] == []
