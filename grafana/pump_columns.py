"""Columns about pumps that several tables show."""

from typing import Final

from grafana.panels import Column
from grafana.shell import pump_link

PUMP: Final = Column("device_id", "Pump", link=pump_link())
STATE: Final = Column("state", "State", width=95, kind="state")
LIFE_LEFT: Final = Column("life_s", "Life left", unit="s", width=110, decimals=1)
PREDICTED: Final = (
    STATE,
    Column("health_percent", "Health", unit="percent", width=90, decimals=0, kind="health"),
    LIFE_LEFT,
)
