"""The committed files of Grafana: what the code makes, and complete."""

import re
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.alerts import rules
from grafana.build import HERE, main, stale
from grafana.shell import TITLES
from tests.grafana.questions import DASHBOARDS, content, of_annotations, of_panels, of_variables, panels
from tests.servers.grafana import container_environment

PROVISIONING = HERE / "provisioning"
SOURCES: dict[str, dict[str, Any]] = {
    one["uid"]: one
    for one in yaml.safe_load((PROVISIONING / "datasources" / "influxdb.yaml").read_text(encoding="utf-8"))[
        "datasources"
    ]
}
MIXED = "-- Mixed --"
KEPT = sorted(path for path in HERE.rglob("*") if path.suffix in {".json", ".yaml"})
each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)


def test_the_committed_files_are_what_the_code_makes() -> None:
    assert stale() == []


def test_a_changed_file_is_told_by_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rules_file = PROVISIONING / "alerting" / "rules.yaml"
    monkeypatch.setattr("grafana.build.rendered", lambda: {rules_file: "other"})

    assert main(["--check"]) == 1
    assert "provisioning/alerting/rules.yaml" in capsys.readouterr().err


def test_there_is_a_dashboard_for_each_title() -> None:
    assert {content(name)["uid"]: content(name)["title"] for name in DASHBOARDS} == TITLES


@each_dashboard
def test_every_panel_has_a_title_and_a_help_text(name: str) -> None:
    assert [panel for panel in panels(name) if not panel["title"] or len(panel["description"]) < 20] == []


@each_dashboard
def test_every_panel_of_numbers_has_a_unit(name: str) -> None:
    shown = [panel for panel in panels(name) if panel["type"] != "table"]

    assert shown
    assert [panel["title"] for panel in shown if not panel["fieldConfig"]["defaults"].get("unit")] == []


@each_dashboard
def test_every_column_of_a_table_has_a_title_of_its_own(name: str) -> None:
    for panel in panels(name):
        if panel["type"] == "table":
            named = [
                one["value"]
                for override in panel["fieldConfig"]["overrides"]
                for one in override["properties"]
                if one["id"] == "displayName"
            ]
            assert named, panel["title"]
            assert len(set(named)) == len(named), panel["title"]


@each_dashboard
def test_every_panel_says_what_it_shows_without_data(name: str) -> None:
    shown = [panel for panel in panels(name) if panel["type"] in ("stat", "table")]

    assert [panel["title"] for panel in shown if not panel["fieldConfig"]["defaults"].get("noValue")] == []


@each_dashboard
def test_every_query_goes_to_a_provisioned_source(name: str) -> None:
    asked = [*of_panels(name), *of_annotations(name), *of_variables(name).values()]

    assert {one.source for one in asked} <= SOURCES.keys()
    assert {panel["datasource"]["uid"] for panel in panels(name)} <= SOURCES.keys() | {MIXED}


@each_dashboard
def test_every_variable_in_a_query_is_one_of_the_dashboard(name: str) -> None:
    known = {one["name"] for one in content(name)["templating"]["list"]}
    texts = [one.text for one in (*of_panels(name), *of_annotations(name), *of_variables(name).values())]
    used = {found for text in texts for found in re.findall(r"\$\{?(?!__|timeFilter)([a-z_]+)", text)}

    assert used <= known


@each_dashboard
def test_every_variable_says_what_it_is_for(name: str) -> None:
    assert [one["name"] for one in content(name)["templating"]["list"] if not one.get("description")] == []


@each_dashboard
def test_panels_do_not_overlap_and_leave_no_hole_in_a_row(name: str) -> None:
    places = [panel["gridPos"] for panel in panels(name)]

    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    for y in {place["y"] for place in places}:
        row = sorted((place for place in places if place["y"] == y), key=lambda place: place["x"])
        assert row[0]["x"] == 0
        assert all(one["x"] + one["w"] == other["x"] for one, other in pairwise(row))
        assert row[-1]["x"] + row[-1]["w"] == 24


@each_dashboard
def test_a_dashboard_links_to_all_the_others_and_keeps_the_shown_time(name: str) -> None:
    own = content(name)["uid"]
    inside = [link for link in content(name)["links"] if link["url"].startswith("/d/")]

    assert {link["url"].split("/")[2].split("?")[0] for link in inside} == TITLES.keys() - {own}
    assert all(link["keepTime"] for link in inside)


def test_each_row_about_a_pump_links_to_the_pump() -> None:
    unlinked = [
        (name, panel["title"])
        for name in DASHBOARDS
        for panel in panels(name)
        if panel["type"] in ("table", "state-timeline")
        and any("device_id" in target["query"] for target in panel["targets"])
        and "/d/pdm-pump/pump?var-pump=" not in str(panel["fieldConfig"]["overrides"])
    ]

    # of one pump, and already there
    assert {name for name, _title in unlinked} <= {"pump"}


def test_secrets_and_addresses_come_from_the_environment() -> None:
    for source in SOURCES.values():
        assert source["url"] == "$PDM_INFLUX_URL"
        assert all(re.fullmatch(r"(Token )?\$GF_PDM_STORE_TOKEN", text) for text in source["secureJsonData"].values())
    notifications = yaml.safe_load((PROVISIONING / "alerting" / "notifications.yaml").read_text(encoding="utf-8"))
    settings = [one["settings"] for point in notifications["contactPoints"] for one in point["receivers"]]
    assert settings == [{"url": "$PDM_ALERT_WEBHOOK_URL"}, {"addresses": "$PDM_ALERT_EMAIL"}]


@pytest.mark.parametrize("path", KEPT, ids=[path.name for path in KEPT])
def test_no_file_holds_a_credential(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"(?i)passw(or)?d|secret[^u]|bearer|api_?key|admin", text.replace("secureJsonData", ""))


def test_nobody_is_told_of_alerts_unless_an_address_is_given() -> None:
    nobody = container_environment({})
    told = container_environment({"PDM_ALERT_WEBHOOK_URL": "https://chat.example/x", "PDM_ALERT_EMAIL": "a@b.example"})

    assert (nobody["PDM_ALERT_WEBHOOK_FOR"], nobody["PDM_ALERT_EMAIL_FOR"]) == ("", "")
    assert nobody["PDM_ALERT_WEBHOOK_URL"].startswith("http://127.0.0.1:")
    assert (told["PDM_ALERT_WEBHOOK_FOR"], told["PDM_ALERT_EMAIL_FOR"]) == (".+", ".+")
    assert (told["PDM_ALERT_WEBHOOK_URL"], told["PDM_ALERT_EMAIL"]) == ("https://chat.example/x", "a@b.example")


def test_mail_is_sent_only_where_a_server_for_it_is_given() -> None:
    assert container_environment({})["GF_SMTP_ENABLED"] == ""
    assert container_environment({"GF_SMTP_HOST": "mail.example:587"})["GF_SMTP_ENABLED"] == "true"


def test_every_alert_rule_says_what_is_wrong_and_where_to_look() -> None:
    found = rules()

    assert len({rule.uid for rule in found}) == len({rule.title for rule in found}) == len(found)
    for rule in found:
        assert rule.dashboard in TITLES
        assert len(rule.summary) > 10
        assert len(rule.description) > 40
        assert {query.source.uid for query in rule.queries} <= SOURCES.keys()


def test_the_readme_tells_every_alert_rule_and_dashboard() -> None:
    text = (HERE / "README.md").read_text(encoding="utf-8")

    assert [rule.title for rule in rules() if f"| {rule.title} |" not in text] == []
    assert [title for title in TITLES.values() if f"[{title}](../docs/images/" not in text] == []
