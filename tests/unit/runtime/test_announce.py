"""Telling services which version is in production."""

from typing import cast

import pytest

from pdm_platform.contract.errors import BrokerError
from pdm_platform.contract.payloads import ModelPointer, decode
from pdm_platform.contract.topics import Topics
from pdm_platform.runtime.announce import announce
from pdm_platform.runtime.mqtt import Link

POINTER = ModelPointer(version="v1", manifest_sha256="0" * 64, promoted_at="2026-03-01T00:00:00.000000Z")


class FakeLink:
    """Keeps what is published; `answers` says whether the broker acknowledges."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.retained: dict[str, bytes] = {}

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> int:
        assert qos == 1
        if retain:
            self.retained[topic] = payload
        return 1

    def flush(self, timeout_s: float) -> bool:
        assert timeout_s > 0
        return self.answers


def test_the_pointer_is_retained_for_whoever_comes_later() -> None:
    link = FakeLink(answers=True)

    announce(cast(Link, link), Topics("plant"), POINTER)

    assert {topic: decode(ModelPointer, payload) for topic, payload in link.retained.items()} == {
        "plant/platform/models/production": POINTER
    }


def test_a_broker_that_does_not_take_it_is_an_error_that_names_the_version() -> None:
    with pytest.raises(BrokerError, match="announcement of v1"):
        announce(cast(Link, FakeLink(answers=False)), Topics(), POINTER)
