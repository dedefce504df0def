"""MQTT topics. One place knows how they are built and taken apart."""

import re
from dataclasses import dataclass
from enum import StrEnum

from pdm_platform.contract.errors import TopicError

# \Z, because $ also matches before a newline at the end
DEVICE_ID_PATTERN = r"^[A-Za-z0-9._-]{1,64}\Z"
_DEVICE_ID = re.compile(DEVICE_ID_PATTERN)
DEFAULT_ROOT = "factory"


class Kind(StrEnum):
    """What a topic carries."""

    TELEMETRY = "telemetry"
    TRAINING = "training_data"
    PREDICTION = "predictions"
    ALARM = "alarms"
    STATUS = "status"
    COMMAND = "command"
    MODEL_PRODUCTION = "platform/models/production"
    MODEL_STATUS = "platform/models/status"
    REJECTED = "platform/rejected"


_PUMP_KINDS = {kind.value: kind for kind in (Kind.TELEMETRY, Kind.PREDICTION, Kind.ALARM, Kind.STATUS, Kind.COMMAND)}
_PLATFORM_KINDS = {kind.value: kind for kind in (Kind.MODEL_PRODUCTION, Kind.MODEL_STATUS, Kind.REJECTED)}


@dataclass(frozen=True, slots=True)
class Address:
    """A topic taken apart: what it carries, and of which device ('' for the platform's own)."""

    kind: Kind
    device_id: str = ""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics below one root. Raises TopicError for a root that MQTT would not take."""

    root: str = DEFAULT_ROOT

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", self.root):
            raise TopicError(f"topic root {self.root!r} may hold letters, digits, '.', '_', '-' and '/' between them")

    def of(self, kind: Kind, device_id: str = "") -> str:
        """Topic of one kind. Raises TopicError for a device id outside `[A-Za-z0-9._-]{1,64}`."""
        if kind in _PLATFORM_KINDS.values():
            return f"{self.root}/{kind}"
        if not _DEVICE_ID.match(device_id):
            raise TopicError(f"device id {device_id!r} does not match {DEVICE_ID_PATTERN}")
        return f"{self.root}/{_branch(kind)}/{device_id}/{kind}"

    def every(self, kind: Kind) -> str:
        """Subscription filter for one kind, all devices."""
        if kind in _PLATFORM_KINDS.values():
            return self.of(kind)
        return f"{self.root}/{_branch(kind)}/+/{kind}"

    @property
    def everything(self) -> str:
        """Subscription filter for all below the root."""
        return f"{self.root}/#"

    def parse(self, topic: str) -> Address:
        """Take a topic apart. Raises TopicError, naming the topic, where the contract does not know it."""
        below = topic.removeprefix(f"{self.root}/")
        if below == topic:
            raise TopicError(f"topic {topic[:200]!r} is not below {self.root!r}")
        if platform := _PLATFORM_KINDS.get(below):
            return Address(platform)
        match below.split("/"):
            case ["pumps", device_id, leaf] if leaf in _PUMP_KINDS and _DEVICE_ID.match(device_id):
                return Address(_PUMP_KINDS[leaf], device_id)
            case ["training", device_id, Kind.TRAINING.value] if _DEVICE_ID.match(device_id):
                return Address(Kind.TRAINING, device_id)
        raise TopicError(f"topic {topic[:200]!r} is not one of the contract's")


def _branch(kind: Kind) -> str:
    return "training" if kind is Kind.TRAINING else "pumps"
