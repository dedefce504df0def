"""Tells running services which model version is in production. The message is retained: whoever comes later gets it."""

from pdm_platform.contract.errors import BrokerError
from pdm_platform.contract.payloads import ModelPointer, encode
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.runtime.mqtt import Link

ACKNOWLEDGED_WITHIN_S = 10.0


def announce(link: Link, topics: Topics, pointer: ModelPointer) -> None:
    """Publish the pointer, retained, and wait until the broker has it. Raises BrokerError when that takes too long."""
    link.publish(topics.of(Kind.MODEL_PRODUCTION), encode(pointer), retain=True)
    if not link.flush(ACKNOWLEDGED_WITHIN_S):
        raise BrokerError(
            f"the broker did not take the announcement of {pointer.version} within {ACKNOWLEDGED_WITHIN_S:g} s",
            hint="The version is in production; services look for themselves every few seconds.",
        )
