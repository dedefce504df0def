"""Pipeline, the runs of Dagster's jobs."""

from grafana_foundation_sdk.builders import table

from grafana.panels import Column, listing
from grafana.queries import rows, stored
from grafana.style import texts
from pdm_platform.contract.measurements import JOB_RUN


def panels() -> list[table.Panel]:
    """The tables, in the order shown."""
    return [_last_success(), _runs()]


def _last_success() -> table.Panel:
    text = f'SELECT last("duration_s") AS "duration_s" FROM {stored(JOB_RUN)} WHERE "success" = 1 GROUP BY "job"'
    columns = [
        Column("job", "Job"),
        Column("Time", "Last success", unit="dateTimeFromNow"),
        Column("duration_s", "Took", unit="s", width=110, decimals=0),
    ]
    return listing(
        "Last successful run of each job",
        "When each Dagster job last ended well, whatever the shown range.",
        rows(text),
        columns,
        width=8,
        height=8,
        empty="No job has succeeded yet",
    )


def _runs() -> table.Panel:
    columns = [
        Column("Time", "Ended", unit="dateTimeAsLocal", width=200),
        Column("job", "Job", width=120),
        Column("success", "Result", width=100, mappings=texts({"1": ("success", "green"), "0": ("failed", "red")})),
        Column("duration_s", "Took", unit="s", width=90, decimals=0),
        Column("message", "What failed"),
        Column(
            "run_id",
            "Run",
            width=110,
            link=("Open the run in Dagster", '${dagster_url}/runs/${__data.fields["run_id"]}'),
        ),
    ]
    panel = listing(
        "Runs",
        "Every run of a Dagster job in the last 30 days, the newest first; click a run to open it in Dagster.",
        rows(
            f'SELECT "success", "duration_s", "message", "run_id" FROM {stored(JOB_RUN)} WHERE $timeFilter '
            'GROUP BY "job" ORDER BY time DESC LIMIT 100'
        ),
        columns,
        width=16,
        height=8,
        sort=("Ended", True),
        empty="No job has run yet",
    )
    return panel.time_from("30d")
