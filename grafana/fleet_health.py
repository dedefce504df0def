"""Fleet over time: a band for each pump in the colour of its state, and the health of all of them together."""

from typing import Final

from grafana_foundation_sdk.builders import statetimeline, timeseries

from grafana import variables
from grafana.panels import lines, state_lines
from grafana.queries import OF_DEVICES, OF_MEANS, Query, ranged, series
from grafana.shell import pump_link
from grafana.style import coloured, health_limits, prop
from pdm_platform.contract.measurements import PUMP_PREDICTION

_BAND_LINK: Final = pump_link("${__field.labels.device_id}")


def worst() -> statetimeline.Panel:
    """The pumps with the lowest health."""
    return state_lines(
        f"The {variables.WORST_PUMPS} pumps in the worst state",
        f"The {variables.WORST_PUMPS} pumps with the lowest health at the end of the range, coloured by the state that "
        "their predicted health means: green HEALTHY, yellow WARNING, orange FAULTY, red BROKEN. Empty where a pump "
        "was silent. Click a band to open the pump. All pumps are at the bottom of the page.",
        _health_of('AND "device_id" =~ /^${worst:regex}$/'),
        unit="percent",
        width=16,
        height=13,
        thresholds=health_limits(),
        link=_BAND_LINK,
    )


def every_pump() -> statetimeline.Panel:
    """All of them, in pages."""
    return state_lines(
        "Health and state of every pump",
        "Every chosen pump, 25 at a time, coloured by the state that its predicted health means. Empty where it was "
        "silent. Choose pumps or a site at the top to see fewer.",
        _health_of(""),
        unit="percent",
        height=18,
        thresholds=health_limits(),
        per_page=25,
        link=_BAND_LINK,
    ).max_data_points(120)


def _health_of(which: str) -> Query:
    return series(
        f'SELECT mean("health_percent") FROM {ranged(PUMP_PREDICTION)} WHERE $timeFilter AND {OF_DEVICES} {which} '
        f"AND {OF_MEANS} GROUP BY time($__interval), device_id fill(null)",
        alias="$tag_device_id",
    )


def health() -> timeseries.Panel:
    """Mean and lowest."""
    # of each pump first: in a short interval only some of them speak, and each counts once
    each = (
        f'SELECT mean("health_percent") AS "health" FROM {ranged(PUMP_PREDICTION)} WHERE $timeFilter AND {OF_DEVICES} '
        f"AND {OF_MEANS} GROUP BY time($__interval), device_id fill(none)"
    )
    mean = f'SELECT mean("health") AS "mean" FROM ({each}) WHERE $timeFilter GROUP BY time($__interval) fill(none)'
    lowest = (
        f'SELECT min("health_percent") AS "lowest" FROM {ranged(PUMP_PREDICTION)} WHERE $timeFilter AND {OF_DEVICES} '
        "GROUP BY time($__interval) fill(none)"
    )
    panel = lines(
        "Health of the fleet",
        "Mean and lowest predicted health of the chosen pumps. The dashed lines are where the states begin.",
        series(mean, alias="$col"),
        series(lowest, alias="$col", ref="B"),
        unit="percent",
        width=8,
        height=13,
        lowest=0,
        highest=100,
        thresholds=health_limits(),
        interval="5m",
    )
    panel.override_by_name("mean", [coloured("blue"), prop("custom.lineWidth", 2)])
    return panel.override_by_name("lowest", [coloured("purple")])
