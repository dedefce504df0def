"""The alerts of a plant reach whoever is to be told. Grafana waits before it tells; other tests run meanwhile."""

import time

import pytest

from tests.grafana.conftest import Webhook
from tests.grafana.plant import SILENT
from tests.servers.grafana import Grafana, needs_grafana
from tests.servers.influxd import needs_own_influxd

pytestmark = [pytest.mark.integration, needs_own_influxd, needs_grafana, pytest.mark.timeout(600)]


@pytest.mark.usefixtures("site")
def test_the_alerts_of_a_plant_reach_the_webhook(grafana: Grafana, webhook: Webhook) -> None:
    deadline_s = time.monotonic() + 120.0
    while not (told := _firing(webhook)) >= {"Pump is FAULTY or BROKEN", "Device is silent"}:
        assert time.monotonic() < deadline_s, (told, grafana.complaints()[-5:])
        time.sleep(0.5)

    summaries = {alert["annotations"]["summary"] for message in webhook.messages for alert in message["alerts"]}
    assert any(summary.startswith(f"{SILENT} has been silent for ") for summary in summaries)
    assert not any("no value]" in summary or "no value>" in summary for summary in summaries)
    # none went to the contact point that Grafana has at first
    assert "grafana-default-email" not in "".join(grafana.complaints())


def _firing(webhook: Webhook) -> set[str]:
    return {
        alert["labels"]["alertname"]
        for message in webhook.messages
        for alert in message["alerts"]
        if alert["status"] == "firing"
    }
