"""A session at a scripted broker: what its tests share."""

from collections.abc import Iterator
from typing import Any

import pytest

from pdm_platform.contract.errors import BrokerRefusedError
from pdm_platform.runtime import mqtt_dialer
from pdm_platform.runtime.mqtt_session import Session
from tests.session_at_work import drive
from tests.unit.runtime.scripted_broker import ScriptedBroker


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_dialer, "_FIRST_PAUSE_S", (0.01, 0.02))
    monkeypatch.setattr(mqtt_dialer, "_LONGEST_PAUSE_S", (0.05, 0.1))


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    started = ScriptedBroker()
    yield started
    started.close()


def session_at(broker: ScriptedBroker, *, settings: dict[str, object] | None = None, **chosen: Any) -> Session:
    return Session(broker.settings(**(settings or {})), "pdm-test", **{"subscriptions": ["t/#"], **chosen})


def refused(session: Session) -> BrokerRefusedError:
    """What the broker refuses, as `check` tells it."""
    found: list[BrokerRefusedError] = []

    def is_refused() -> bool:
        try:
            session.check()
        except BrokerRefusedError as error:
            found.append(error)
        return bool(found)

    drive(session, is_refused)
    return found[0]
