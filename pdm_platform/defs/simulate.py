"""First stage: whole labelled lives, published over MQTT as a plant's pumps would be, and stored by the bridge."""

import time
from collections.abc import Callable
from typing import Any, Final

import dagster as dg

from pdm_platform.contract.errors import ProcessError
from pdm_platform.contract.measurements import PUMP_LABELS
from pdm_platform.contract.times import iso_of
from pdm_platform.defs.metadata import counts, describe, explained
from pdm_platform.defs.resources import Broker, Platform
from pdm_platform.defs.windows import end_ns_of
from pdm_platform.stores.telemetry import TelemetryStore
from simulators.plans import LivesPlan
from simulators.publisher import Campaign, publish_lives

_LOOK_EVERY_S: Final = 0.2
_TELL_EVERY_S: Final = 2.0


class SimulatedLifecyclesConfig(dg.Config):
    """What is simulated.

    seed: the same seed gives the same pumps. Left out it is the day of window_end, so that each day's lives are other
    pumps: one device id must not live twice in a training window.
    plan: lives at each speed. window_end: ISO 8601, lives end by then; the start of today (UTC) where left out.
    stall_timeout_s: how long to wait for the bridge while nothing arrives in the store.
    """

    seed: int | None = None
    plan: str = str(LivesPlan())
    window_end: str | None = None
    stall_timeout_s: float = 30.0


@dg.asset(group_name="simulate", kinds={"mqtt"})
def simulated_lifecycles(
    context: dg.AssetExecutionContext, config: SimulatedLifecyclesConfig, platform: Platform, broker: Broker
) -> dg.MaterializeResult[None]:
    """Life cycles of simulated pumps, from new to failed, published with labels over MQTT.

    It is done when the store holds every reading that the broker took. A rerun publishes the same points again.
    """
    with explained():
        end_ns = end_ns_of(config.window_end)
        seed = int(iso_of(end_ns)[:10].replace("-", "")) if config.seed is None else config.seed
        plan = LivesPlan.parse(config.plan, seed=seed)
        tell = _Teller(context.log.info)
        with broker.link() as link:
            campaign = publish_lives(
                link, platform.settings.topics, plan, window_end_ns=end_ns, progress=tell.published
            )
        with platform.store() as store:
            stored = _wait_until_stored(store, campaign, config.stall_timeout_s, tell)
        facts: dict[str, Any] = {"seed": seed, "plan": str(plan), "published": campaign.readings, "stored": stored}
        artifact = platform.lake.write_facts(
            "simulated_lifecycles", campaign.window, **facts, devices=list(campaign.devices)
        )
        return dg.MaterializeResult(
            metadata=describe(
                artifact,
                summary=f"{stored:,} readings of {len(campaign.devices)} pumps published and stored",
                **facts,
                devices=len(campaign.devices),
                readings_by_device=counts(campaign.counts),
            )
        )


class _Teller:
    """Progress every few seconds, not with every batch."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._next_s = 0.0

    def published(self, done: int, planned: int) -> None:
        self._tell(f"the broker has {done} of {planned} readings")

    def stored(self, found: int, planned: int) -> None:
        self._tell(f"the store has {found} of {planned} readings")

    def _tell(self, text: str) -> None:
        if time.monotonic() >= self._next_s:
            self._say(text)
            self._next_s = time.monotonic() + _TELL_EVERY_S


def _wait_until_stored(store: TelemetryStore, campaign: Campaign, stall_timeout_s: float, tell: _Teller) -> int:
    """Readings in the store, once they are as many as the broker took.

    Raises ProcessError where nothing more arrives, and where there are more than were published.
    """
    found, since_s = -1, time.monotonic()
    while found != campaign.readings:
        now = store.count(PUMP_LABELS, campaign.window, devices=campaign.devices)
        if now > campaign.readings:
            raise ProcessError(
                f"the store holds {now} readings of these pumps, but {campaign.readings} were published",
                hint="Another campaign used the same device ids in this window: choose another seed.",
            )
        tell.stored(now, campaign.readings)
        if now != found:
            found, since_s = now, time.monotonic()
        elif time.monotonic() - since_s > stall_timeout_s:
            raise ProcessError(
                f"{campaign.readings} readings were published, {found} are in the store,"
                f" and none arrived for {stall_timeout_s:g} s",
                hint="Is the bridge running, on the same broker and store? `pdmctl bridge`, `pdmctl doctor`.",
            )
        else:
            time.sleep(_LOOK_EVERY_S)
    return found
