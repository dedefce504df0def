import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pdm_platform.contract.errors import TopicError
from pdm_platform.contract.topics import Address, Kind, Topics

PUMP_KINDS = (Kind.TELEMETRY, Kind.TRAINING, Kind.PREDICTION, Kind.ALARM, Kind.STATUS, Kind.COMMAND)
PLATFORM_KINDS = (Kind.MODEL_PRODUCTION, Kind.MODEL_STATUS, Kind.REJECTED)
DEVICE_IDS = st.from_regex(r"\A[A-Za-z0-9._-]{1,64}\Z")
ROOTS = st.from_regex(r"\A[A-Za-z0-9._-]{1,10}(/[A-Za-z0-9._-]{1,10}){0,2}\Z")


def outcome(topics: Topics, topic: str) -> Address | TopicError:
    try:
        return topics.parse(topic)
    except TopicError as refused:
        return refused


def test_topics_are_those_that_devices_were_told() -> None:
    topics = Topics()

    assert topics.of(Kind.TELEMETRY, "pump-001") == "factory/pumps/pump-001/telemetry"
    assert topics.of(Kind.TRAINING, "pump-001") == "factory/training/pump-001/training_data"
    assert topics.of(Kind.PREDICTION, "pump-001") == "factory/pumps/pump-001/predictions"
    assert topics.of(Kind.ALARM, "pump-001") == "factory/pumps/pump-001/alarms"
    assert topics.of(Kind.STATUS, "pump-001") == "factory/pumps/pump-001/status"
    assert topics.of(Kind.COMMAND, "pump-001") == "factory/pumps/pump-001/command"
    assert topics.of(Kind.MODEL_PRODUCTION) == "factory/platform/models/production"
    assert topics.of(Kind.MODEL_STATUS) == "factory/platform/models/status"
    assert topics.of(Kind.REJECTED) == "factory/platform/rejected"


@given(ROOTS, st.sampled_from(PUMP_KINDS), DEVICE_IDS)
@example("factory", Kind.TELEMETRY, "..")
@example("platform/pumps", Kind.ALARM, "telemetry")
def test_a_pump_topic_is_taken_apart_into_what_it_was_built_from(root: str, kind: Kind, device_id: str) -> None:
    topics = Topics(root)

    assert topics.parse(topics.of(kind, device_id)) == Address(kind, device_id)


@given(ROOTS, st.sampled_from(PLATFORM_KINDS))
def test_a_platform_topic_is_taken_apart_into_what_it_was_built_from(root: str, kind: Kind) -> None:
    topics = Topics(root)

    assert topics.parse(topics.of(kind)) == Address(kind)


@given(st.text(), st.booleans())
def test_any_topic_is_either_known_and_built_back_or_a_topic_error(text: str, below_root: bool) -> None:
    topics = Topics()
    topic = f"factory/{text}" if below_root else text

    result = outcome(topics, topic)

    if isinstance(result, TopicError):
        assert len(result.what) < 1_000
    else:
        assert topics.of(result.kind, result.device_id) == topic


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "factory",
        "factory/",
        "factory/pumps/pump-001",
        "factory/pumps//telemetry",
        "factory/pumps/pump-001/telemetry/",
        "factory/pumps/pump-001/telemetry\n",
        "factory/pumps/pump-001\n/telemetry",
        "factory/pumps/pump 001/telemetry",
        "factory/pumps/pump-001/Telemetry",
        "factory/pumps/pump-001/training_data",
        "factory/training/pump-001/telemetry",
        "factory/platform/models/production/pump-001",
        "Factory/pumps/pump-001/telemetry",
        "factory/factory/pumps/pump-001/telemetry",
        f"factory/pumps/{'p' * 65}/telemetry",
    ],
)
def test_a_topic_the_contract_does_not_know_is_refused_by_name(topic: str) -> None:
    with pytest.raises(TopicError) as refused:
        Topics().parse(topic)

    assert repr(topic[:200]) in refused.value.what


@pytest.mark.parametrize("device_id", ["", "pump 001", "pump/001", "+", "#", "pump-001\n", "pümp", "p" * 65, "a\0b"])
def test_no_topic_is_built_for_a_device_id_outside_the_contract(device_id: str) -> None:
    with pytest.raises(TopicError, match="does not match"):
        Topics().of(Kind.TELEMETRY, device_id)


@pytest.mark.parametrize("root", ["", "/", "/factory", "factory/", "fac tory", "factory//a", "factory/+", "#", "f\n"])
def test_a_root_that_mqtt_would_not_take_is_refused(root: str) -> None:
    with pytest.raises(TopicError, match="topic root"):
        Topics(root)


def test_a_filter_for_one_kind_covers_all_devices() -> None:
    topics = Topics("plant/north")

    assert topics.every(Kind.TELEMETRY) == "plant/north/pumps/+/telemetry"
    assert topics.every(Kind.TRAINING) == "plant/north/training/+/training_data"
    assert topics.every(Kind.MODEL_PRODUCTION) == "plant/north/platform/models/production"
    assert topics.everything == "plant/north/#"
