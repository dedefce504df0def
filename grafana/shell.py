"""What all dashboards have in common around their panels: links to each other, times, annotations, variables."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    CustomVariable,
    Dashboard,
    DashboardLink,
    QueryVariable,
    Row,
    TextBoxVariable,
    TimePicker,
)
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType

FLEET: Final = "pdm-fleet"
PUMP: Final = "pdm-pump"
MODEL: Final = "pdm-model"
PIPELINE: Final = "pdm-pipeline"
QUALITY: Final = "pdm-quality"
TITLES: Final = {
    FLEET: "Fleet",
    PUMP: "Pump",
    MODEL: "Model and drift",
    PIPELINE: "Pipeline",
    QUALITY: "Data quality",
}
BY_SITE: Final = frozenset({FLEET, PUMP, QUALITY})
# Of the stack as it comes, on the machine itself. Another address: `?var-dagster_url=` in Grafana's, or build anew.
DAGSTER_URL: Final = "http://127.0.0.1:3000"
REPORTS_URL: Final = "http://127.0.0.1:3002"
_REFRESH: Final = ["10s", "30s", "1m", "5m", "15m"]


def pump_link(name: str = '${__data.fields["device_id"]}', *, by_site: bool = True) -> tuple[str, str]:
    """Title and URL of a link from a pump's row to its dashboard, over the same time."""
    site = "&${site:queryparam}" if by_site else ""
    return "Open this pump", f"/d/{PUMP}/pump?var-pump={name}{site}&${{__url_time_range}}"


def dashboard(
    uid: str,
    description: str,
    *,
    variables: Sequence[QueryVariable | CustomVariable | TextBoxVariable],
    annotations: Sequence[AnnotationQuery],
    since: str,
    refresh: str = "30s",
) -> Dashboard:
    """An empty dashboard that shows the time from `since` to now."""
    found = Dashboard(TITLES[uid]).uid(uid).description(description).tags(["pdm"]).readonly().timezone("browser")
    found.time(since, "now").refresh(refresh).tooltip(DashboardCursorSync.CROSSHAIR)
    found.timepicker(TimePicker().refresh_intervals(_REFRESH)).annotations(list(annotations))
    found.variables(list(variables))
    for other, title in TITLES.items():
        if other != uid:
            # the site goes along, the pump does not: whoever leaves a pump wants to see the others
            site = "?${site:queryparam}" if {uid, other} <= BY_SITE else ""
            found.link(_to(title, f"/d/{other}{site}").keep_time(True).tooltip(f"Open {title}"))
    return found


def elsewhere(title: str, url: str) -> DashboardLink:
    """A link out of Grafana, in a new tab."""
    return _to(title, url).target_blank(True).icon("external link").tooltip(url)


def _to(title: str, url: str) -> DashboardLink:
    return DashboardLink(title).type(DashboardLinkType.LINK).url(url)


def section(title: str) -> Row:
    """A heading over the panels that follow."""
    return Row(title)
