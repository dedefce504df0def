"""JSON payloads, validated while they are decoded (msgspec). Unknown fields are carried past, never an error."""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pdm_platform.contract.channels import CHANNELS
from pdm_platform.contract.errors import PayloadError
from pdm_platform.contract.failure_modes import Disturbance, FailureMode
from pdm_platform.contract.states import State
from pdm_platform.contract.topics import DEVICE_ID_PATTERN

_RANGE = {channel.name: Meta(ge=channel.possible_min, le=channel.possible_max) for channel in CHANNELS}
DeviceId = Annotated[str, Meta(pattern=DEVICE_ID_PATTERN)]
ShortText = Annotated[str, Meta(max_length=64)]
SequenceNumber = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Percent = Annotated[float, Meta(ge=0.0, le=100.0)]
Hours = Annotated[float, Meta(ge=0.0)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Vibration = Annotated[float, _RANGE["vibration_rms"]]
_FAILURE_MODE_PATTERN = rf"^({'|'.join(FailureMode)}|drawn|in_turn)\Z"


# gc=False: the collector need not look at what comes thousands of times a second and cannot hold a cycle
class Telemetry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One reading of one pump. A channel is null where the sensor gave nothing; leaving it out is an error."""

    device_id: DeviceId
    vibration_x: Vibration | None
    vibration_y: Vibration | None
    vibration_z: Vibration | None
    vibration_rms: Vibration | None
    temperature: Annotated[float, _RANGE["temperature"]] | None
    pressure: Annotated[float, _RANGE["pressure"]] | None
    current: Annotated[float, _RANGE["current"]] | None
    rpm: Annotated[float, _RANGE["rpm"]] | None
    measurement_id: SequenceNumber | None = None
    timestamp: ShortText | int | float | None = None
    last_maintenance: ShortText | int | float | None = None
    health_percent: Percent | None = None


class Labelled(Telemetry, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A reading with its ground truth, for training.

    failure_mode: of FailureMode, what wears the pump most. sensor_fault: `channel:kind`, a sensor that lies at this
    reading, kind of SensorFault. disturbance: of Disturbance, what passes over the pump without wearing it.
    """

    ground_truth: State
    failure_mode: ShortText | None = None
    rul_hours: Hours | None = None
    sensor_fault: ShortText | None = None
    disturbance: ShortText | None = None


Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
DeviceMode = Literal["inference", "data_collection"]


class DeviceStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a device tells of itself. Retained; the broker publishes its last will, with online false, in its name.

    measurement_id: of its newest reading. waiting: readings that the broker does not have yet. dropped, torn, undated,
    skipped: readings that were lost, by cause. flash_failures: calls that failed. sensor_faults: `channel:reason` of
    each channel that tells nothing. link: "ok" or why the last connection ended. chaos: of Disturbance, what
    may pass over its twin. command: "ok" or what was wrong with the last one.
    """

    device_id: DeviceId
    online: bool
    firmware: ShortText | None = None
    mode: DeviceMode | None = None
    uptime_s: Count | None = None
    timestamp: ShortText | int | float | None = None
    clock_set: bool | None = None
    power_ups: Count | None = None
    measurement_id: SequenceNumber | None = None
    waiting: Count | None = None
    dropped: Count | None = None
    torn: Count | None = None
    undated: Count | None = None
    skipped: Count | None = None
    flash_failures: Count | None = None
    reconnects: Count | None = None
    link: ShortText | None = None
    sensors: ShortText | None = None
    speed: ShortText | None = None
    generation: Count | None = None
    sensor_faults: tuple[ShortText, ...] | None = None
    chaos: tuple[ShortText, ...] | None = None
    command: Annotated[str, Meta(max_length=500)] | None = None


class ChaosRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A disturbance that begins with `probability` at each reading and lasts `readings`; on always without the two."""

    name: Disturbance
    probability: Annotated[float, Meta(gt=0.0, le=1.0)] | UnsetType = UNSET
    readings: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.probability is UNSET) is not (self.readings is UNSET):
            raise ValueError("`probability` and `readings` stand together or not at all")


class DeviceCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a device is told. A field that is left out changes nothing; null takes a setting back to its default.

    seed, number: which pump the twin is. repair: a new life now. report: a status now.
    """

    mode: DeviceMode | UnsetType = UNSET
    seed: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    number: Annotated[int, Meta(ge=0, le=2**32 - 1)] | UnsetType = UNSET
    speed: Literal["stress", "accelerated", "nominal"] | UnsetType = UNSET
    failure_mode: Annotated[str, Meta(pattern=_FAILURE_MODE_PATTERN)] | UnsetType = UNSET
    wearing: bool | UnsetType = UNSET
    interval_s: Annotated[float, Meta(ge=0.05, le=3_600.0)] | UnsetType | None = UNSET
    repair_after_s: Annotated[float, Meta(ge=0.0, le=1e9)] | UnsetType | None = UNSET
    chaos: tuple[ChaosRule, ...] | UnsetType = UNSET
    repair: bool | UnsetType = UNSET
    report: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        if all(getattr(self, field) is UNSET for field in self.__struct_fields__):
            raise ValueError("the command has no field")
        if isinstance(self.seed, int) and self.seed >= 2**64:  # msgspec has no bounds beyond 63 bits
            raise ValueError("`seed` is more than 2**64 - 1")
        if isinstance(self.chaos, tuple) and len({rule.name for rule in self.chaos}) < len(self.chaos):
            raise ValueError("`chaos` names a disturbance twice")


class StateProbabilities(msgspec.Struct, frozen=True, gc=False):
    """Probability of each state, in the order of wear; they sum to 1."""

    HEALTHY: Probability
    WARNING: Probability
    FAULTY: Probability
    BROKEN: Probability


class Prediction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the platform says of one reading, whose `timestamp` and `measurement_id` it echoes unchanged.

    rul_hours is null while no wear has been observed from which to tell it; rul_lower_hours and rul_upper_hours bound
    it with a probability of 90 %. failure_mode: of FailureMode, the most probable one; left out while nothing wears.
    novelty: how far the reading lies from all that was healthy, 1 is the limit above which it is novel.
    sensor_fault: the channel whose sensor seems to lie. provisional: true while too little is known of this pump.
    """

    device_id: DeviceId
    timestamp: ShortText | int | float | None = None
    measurement_id: SequenceNumber | None = None
    state: State
    probabilities: StateProbabilities
    health_percent: Percent
    rul_hours: Hours | None
    rul_lower_hours: Hours | None = None
    rul_upper_hours: Hours | None = None
    failure_mode: ShortText | None = None
    failure_mode_probability: Probability | None = None
    novelty: Annotated[float, Meta(ge=0.0)] | None = None
    novel: bool = False
    sensor_fault: ShortText | None = None
    sensor_fault_probability: Probability | None = None
    provisional: bool = False
    model_version: ShortText
    inference_timestamp: ShortText


class Alarm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A condition that became active or returned to normal (OPC UA Part 9: active state, severity 1 to 1000)."""

    device_id: DeviceId
    timestamp: ShortText | int | float | None = None
    condition: ShortText
    active: bool
    severity: Annotated[int, Meta(ge=1, le=1000)]
    state: State
    health_percent: Percent
    rul_hours: Hours | None
    message: Annotated[str, Meta(max_length=500)]
    model_version: ShortText
    inference_timestamp: ShortText


class ModelPointer(msgspec.Struct, frozen=True, kw_only=True):
    """Which model version is in production. Retained."""

    version: ShortText
    manifest_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    promoted_at: ShortText


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the inference service did with a model version: loaded it, or refused it and why."""

    version: str
    loaded: bool
    reason: str
    serving: str
    at: ShortText


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A payload that went to quarantine. `payload` is shortened here; the quarantine keeps it whole."""

    topic: str
    reason: str
    payload: str
    payload_bytes: int
    received: ShortText


P = TypeVar("P", bound=msgspec.Struct)
_DECODERS: dict[type[msgspec.Struct], msgspec.json.Decoder[msgspec.Struct]] = {
    kind: msgspec.json.Decoder(kind)
    for kind in (
        *(Telemetry, Labelled, Prediction, Alarm, DeviceStatus, DeviceCommand),
        *(ModelPointer, ModelStatus, Rejected),
    )
}
_ENCODER = msgspec.json.Encoder()


def decode(kind: type[P], payload: bytes | bytearray) -> P:
    """Decode and validate one payload. Raises PayloadError whose text is the reason, with the field's path."""
    try:
        decoded = _DECODERS[kind].decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError(f"{kind.__name__}: {_shortened(str(error))}") from None
    assert isinstance(decoded, kind)
    return decoded


def _shortened(reason: str) -> str:
    """A wrong enum value is quoted whole in the reason, a megabyte of it too. The field's path stands at the end."""
    return reason if len(reason) <= 300 else f"{reason[:200]} ... {reason[-80:]}"


def encode(payload: msgspec.Struct) -> bytes:
    """Encode one payload. Optional fields that are not set are left out."""
    return _ENCODER.encode(payload)
