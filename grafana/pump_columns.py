"""Columns about pumps that several tables show."""

from typing import Final

from grafana.panels import Column
from grafana.shell import pump_link
from grafana.style import DOUBT, NOVELTY_LIMIT, PLAIN, channel_names, limits, yes_or_no

PUMP: Final = Column("device_id", "Pump", link=pump_link())
STATE: Final = Column("state", "State", width=95, kind="state")
LIFE_LEFT: Final = Column("life_s", "Life left", unit="s", width=110, decimals=1)
PREDICTED: Final = (
    STATE,
    Column("health_percent", "Health", unit="percent", width=90, decimals=0, kind="health"),
    LIFE_LEFT,
)
NOVELTY: Final = Column("novelty", "Novelty", width=100, decimals=2, thresholds=limits(PLAIN, (NOVELTY_LIMIT, DOUBT)))
SENSOR: Final = Column("sensor", "Sensor fault", width=130, mappings=channel_names())
NOT_KNOWN: Final = Column("provisional", "Known", width=85, mappings=yes_or_no(("not yet", DOUBT), ("yes", PLAIN)))
