"""The service's loop on fakes: what is acknowledged was answered first, and nothing it meets ends it."""

import json
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from pdm_platform.contract.errors import BrokerRefusedError
from pdm_platform.inference.loader import LoadedModel
from pdm_platform.runtime.mqtt import Message
from tests.servers.mosquitto import wait_until
from tests.unit.inference.workbench import NEW, WORN, GivenModels, Registered, Workbench, message, now_ms, serving


def test_a_reading_is_acknowledged_after_the_broker_has_its_prediction_and_it_is_noted(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    sent = [message(1), message(2)]

    bench.run_until_acknowledged(*sent)

    assert bench.session.acknowledged == sent
    assert [said.measurement_id for said in bench.predictions()] == [1, 2]
    assert bench.session.events[:4] == ["publish", "publish", "publish", "acknowledge"]
    assert bench.session.seen_then == [2], "both were in the journal when they were acknowledged"


def test_the_time_from_a_reading_to_its_prediction_at_the_broker_is_measured(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)

    bench.run_until_acknowledged(
        message(1, timestamp=now_ms() - 3_000), message(2, timestamp=now_ms() + 60_000), message(3, payload=b"{")
    )

    name = "reading_to_prediction_seconds"
    assert bench.metric(f"{name}_count") == 2
    assert bench.metric(f"{name}_bucket", le="0.001") == 1, "a clock that runs ahead counts as no time"
    assert bench.metric(f"{name}_bucket", le="2.0") == 1
    assert 3 < (bench.metric(f"{name}_sum") or 0) < 13


def test_a_bad_payload_is_acknowledged_without_a_prediction(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    bad = [
        message(1, payload=b'{"device_id": "pump-1", "vibr'),
        message(2, topic="factory/pumps/../telemetry"),
        message(3, device_id="pump-2"),
        message(4, timestamp="yesterday"),
        message(5, temperature="warm"),
        message(6, payload=b"\xff\xfe"),
    ]

    bench.run_until_acknowledged(*bad, message(7))

    assert len(bench.session.acknowledged) == 7
    assert [said.measurement_id for said in bench.predictions()] == [7]
    assert bench.metric("refused_total") == 6


def test_readings_before_any_model_are_remembered_but_not_predicted(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path, inference_reload_s=0.05)
    bench.session.deliver(message(1))
    with bench.running():
        wait_until(lambda: bool(bench.session.acknowledged), "the first is acknowledged")
        before = bench.predictions()
        serving(bench, registered)
        wait_until(lambda: bool(bench.statuses()), "the model is taken over")
        bench.session.deliver(message(2))
        wait_until(lambda: len(bench.session.acknowledged) == 2, "the second is acknowledged")

    assert before == []
    assert bench.metric("without_model_total") == 1
    assert [said.measurement_id for said in bench.predictions()] == [2]
    assert bench.memory.state.pumps["seen"][0].tolist() == [2.0]


def test_a_broker_that_hangs_holds_back_a_stop_for_no_longer_than_a_moment(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    bench.session.takes = False
    bench.session.deliver(message(1))

    with bench.running():
        wait_until(lambda: bool(bench.predictions()), "it is predicted")
        began_s = time.monotonic()

    assert time.monotonic() - began_s < 5
    assert bench.session.acknowledged == []
    assert len(Workbench(tmp_path).memory.state.pumps) == 0, "it comes again, and must then be as new as it was"


def test_a_promotion_heard_of_is_looked_at_before_its_time(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path, inference_reload_s=3_600)
    old = serving(bench, registered)
    with bench.running():
        wait_until(lambda: bool(bench.statuses()), "the first is taken over")
        new = serving(bench, registered, note_txt=b"2")
        bench.session.deliver(message(1, topic="factory/platform/models/production", payload=b"{}"))
        wait_until(lambda: len(bench.statuses()) == 2, "the second is taken over")

    assert {sent.topic for sent in bench.session.sent} == {"factory/platform/models/status"}
    assert [sent.retain for sent in bench.session.sent] == [True, True]
    assert [status.version for status in bench.statuses()] == [old.version, new.version]
    assert all(status.loaded for status in bench.statuses())


def test_a_delivered_again_reading_gets_the_same_answer_and_moves_nothing(
    tmp_path: Path, registered: Registered
) -> None:
    at_ms = now_ms()
    first, again, last = (
        message(1, timestamp=at_ms + 1),
        message(2, timestamp=at_ms + 2, vibration_rms=1.5),
        message(3, timestamp=at_ms + 3),
    )
    bench, alone = Workbench(tmp_path), Workbench(tmp_path / "alone")
    for each in (bench, alone):
        serving(each, registered)

    bench.run_until_acknowledged(first, again, again, last)
    alone.run_until_acknowledged(first, again, last)

    said = [(one.measurement_id, one.health_percent) for one in bench.predictions()]
    assert said[2] == said[1]
    assert said[:2] + said[3:] == [(one.measurement_id, one.health_percent) for one in alone.predictions()]


def test_a_redelivery_of_what_is_under_way_is_answered_once_and_acknowledged_on_its_new_connection(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    first = message(1, timestamp=now_ms())
    again = msgspec.structs.replace(first, dup=True, connection=3)
    bench.session.takes = False
    with bench.running():
        bench.session.deliver(first)
        wait_until(lambda: bool(bench.predictions()), "it is predicted")
        bench.session.deliver(again)
        wait_until(lambda: bench.metric("redeliveries") == 1, "the redelivery is seen")
        bench.session.takes = True
        wait_until(lambda: bool(bench.session.acknowledged), "it is acknowledged")

    assert bench.session.acknowledged == [again]
    assert len(bench.predictions()) == 1


def test_readings_without_a_timestamp_are_each_newer_than_the_last(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    received_ns = time.time_ns()
    sent = [message(mid, **(WORN if mid >= 40 else NEW)) for mid in range(60)]

    bench.run_until_acknowledged(
        *(Message(item.topic, item.payload, 0, False, False, 0, received_ns, 1) for item in sent)
    )

    said = bench.predictions()
    assert len(said) == 60
    assert all(item.timestamp is None for item in said)
    assert "pump_state" in {alarm.condition for alarm in bench.alarms()}


def test_a_reading_without_a_timestamp_that_is_delivered_again_is_answered_once(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path, inference_max_batch=1)
    serving(bench, registered)
    first = message(7)
    assert "timestamp" not in json.loads(first.payload)
    # a publisher that missed the broker's receipt sends it as a new message, without the DUP flag
    again = Message(first.topic, first.payload, 1, False, False, 9, time.time_ns(), 2)
    anew = message(7, temperature=39.5)

    bench.run_until_acknowledged(first, again, message(8), anew)

    assert [prediction.measurement_id for prediction in bench.predictions()] == [7, 8, 7]
    assert len(bench.session.acknowledged) == 4
    assert bench.metric("repeats_total") == 1


def test_what_waited_for_the_broker_is_acknowledged_once_it_takes_the_predictions(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path)
    serving(bench, registered)
    first, second = message(1), message(2)
    bench.session.takes = False
    with bench.running():
        bench.session.deliver(first)
        wait_until(lambda: len(bench.predictions()) == 1, "the first is predicted")
        bench.session.deliver(second)
        wait_until(lambda: len(bench.predictions()) == 2, "the second is predicted, whatever the broker does")
        waiting, noted = list(bench.session.acknowledged), bench.noted()
        bench.session.takes = True
        wait_until(lambda: len(bench.session.acknowledged) == 2, "both are acknowledged")

    assert (waiting, noted) == ([], 0)
    assert bench.session.acknowledged == [first, second]
    assert bench.metric("reading_to_prediction_seconds_count") == 2, "the one that had to wait counts too"


def test_a_refusal_by_the_broker_ends_the_service_with_the_reason(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.session.refusal = BrokerRefusedError("wrong password")

    with pytest.raises(BrokerRefusedError, match="wrong password"):
        bench.service.run(bench.stop, bench.health)


def test_a_snapshot_that_cannot_be_written_is_a_finding_and_not_the_end(tmp_path: Path, registered: Registered) -> None:
    (tmp_path / "inference").write_text("a file where the folder should be", encoding="utf-8")
    bench = Workbench(tmp_path, inference_snapshot_s=0.01)
    serving(bench, registered)

    with bench.running():
        wait_until(lambda: "snapshot" in bench.health.problems(), "health tells it")
        bench.session.deliver(message(1))
        wait_until(lambda: bool(bench.session.acknowledged), "readings are answered all the same")

    assert str(tmp_path / "inference") in bench.health.problems()["snapshot"]


def test_health_names_a_missing_model_and_a_missing_broker(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.session.ready = False

    bench.run_until(lambda: bench.health.problems().keys() >= {"model", "broker"})

    assert "retrain" in bench.health.problems()["model"]
    assert bench.health.problems().keys() == {"model", "broker"}


def test_a_restarted_service_still_knows_its_pumps(tmp_path: Path, registered: Registered) -> None:
    first = Workbench(tmp_path)
    serving(first, registered)
    first.run_until_acknowledged(*(message(mid) for mid in range(30)))

    state = Workbench(tmp_path).memory.state

    assert len(state.pumps) == 1
    assert state.pumps["seen"][0].tolist() == [30.0]
    assert len(state.departures) == len(state.alarms) == 1


def test_predictions_alarms_and_the_model_are_counted(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path)
    manifest = serving(bench, registered)

    bench.run_until_acknowledged(*(message(mid, **WORN) for mid in range(5)))

    assert bench.metric("predicted_total") == 5
    assert [alarm.condition for alarm in bench.alarms()][:1] == ["pump_state"]
    assert bench.metric("alarm_changes_total") == len(bench.alarms())
    assert bench.metric("model_info", version=manifest.version) == 1
    assert bench.metric("queue_readings") == 0
    assert bench.metric("batch_readings_count") == 1


# -- far behind


def stale(*numbers: int, device: str = "pump-1") -> list[Message]:
    """Readings of an hour ago, a second apart."""
    an_hour_ago_ms = now_ms() - 3_600_000
    topic = f"factory/pumps/{device}/telemetry"
    return [
        message(number, topic=topic, device_id=device, timestamp=an_hour_ago_ms + 1_000 * number) for number in numbers
    ]


def test_while_it_is_behind_only_each_pumps_newest_reading_of_a_batch_is_answered(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path, inference_max_batch=6, inference_stale_after_s=0.001)
    serving(bench, registered)
    sent = [*stale(1, 2, 4, 3), *stale(11, 12, device="pump-2")]

    bench.run_until_acknowledged(*sent)

    assert [said.measurement_id for said in bench.predictions()] == [4, 12]
    assert bench.metric("skipped_total") == 4
    assert bench.session.acknowledged == sent
    seen = bench.memory.state.pumps["seen"]
    assert seen[:2, 0].tolist() == [4.0, 2.0], "what is skipped is remembered"


def test_fresh_readings_are_all_answered_though_a_batch_is_full(tmp_path: Path, registered: Registered) -> None:
    bench = Workbench(tmp_path, inference_max_batch=4, inference_stale_after_s=10.0)
    serving(bench, registered)

    bench.run_until_acknowledged(*(message(number, timestamp=now_ms() + number) for number in range(4)))

    assert len(bench.predictions()) == 4
    assert bench.metric("skipped_total") == 0


def test_a_day_of_old_readings_sent_at_once_is_no_overload_and_all_of_it_is_answered(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path, inference_max_batch=5)
    serving(bench, registered)

    bench.run_until_acknowledged(*stale(*range(5)), *stale(*range(5, 10)))

    assert [said.measurement_id for said in bench.predictions()] == [*range(10)]
    assert bench.metric("skipped_total") == 0


def test_old_readings_are_all_answered_where_no_more_wait_than_a_batch_holds(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path, inference_max_batch=5, inference_stale_after_s=0.001)
    serving(bench, registered)

    bench.run_until_acknowledged(*stale(1, 2, 3, 4))

    assert [said.measurement_id for said in bench.predictions()] == [1, 2, 3, 4]
    assert bench.metric("skipped_total") == 0


# -- another model while it runs


def test_a_model_that_takes_long_to_load_holds_back_no_prediction(tmp_path: Path, loaded: LoadedModel) -> None:
    first, second = replace(loaded, version="v1"), replace(loaded, version="v2")
    models = GivenModels(first)
    bench = Workbench(tmp_path, loader=models, inference_reload_s=0.01, inference_max_batch=3)
    with bench.running():
        wait_until(lambda: bool(bench.statuses()), "the first serves")
        models.gate.clear()
        models.promote(second)
        wait_until(lambda: models.loads == 2, "the second is being loaded")
        bench.session.deliver(*(message(number) for number in range(10)))
        wait_until(lambda: len(bench.session.acknowledged) == 10, "readings are answered meanwhile")
        meanwhile = {said.model_version for said in bench.predictions()}
        bench.session.deliver(*(message(number) for number in range(10, 100)))
        models.gate.set()
        wait_until(lambda: len(bench.statuses()) == 2, "the second serves")
        bench.session.deliver(*(message(number) for number in range(100, 110)))
        wait_until(lambda: len(bench.session.acknowledged) == 110, "all are answered")

    versions = [said.model_version for said in bench.predictions()]
    assert meanwhile == {"v1"}
    assert [said.measurement_id for said in bench.predictions()] == list(range(110))
    assert versions == sorted(versions)
    assert set(versions[100:]) == {"v2"}
    assert len({number for number in range(0, 99, 3) if len(set(versions[number : number + 3])) > 1}) <= 1


def test_health_names_the_missing_model_until_one_serves(tmp_path: Path, loaded: LoadedModel) -> None:
    models = GivenModels()
    bench = Workbench(tmp_path, loader=models, inference_reload_s=0.01)
    with bench.running():
        wait_until(lambda: "model" in bench.health.problems(), "it is missing")
        models.promote(loaded)
        wait_until(lambda: "model" not in bench.health.problems(), "it serves")


# -- simple


def test_simple_output_tells_state_and_health_of_each_reading_and_remembers_nothing(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path, inference_output="simple")
    manifest = serving(bench, registered)

    bench.run_until_acknowledged(*(message(mid, **(WORN if mid % 2 else NEW)) for mid in range(40)))

    said = bench.predictions()
    assert [one.state for one in said] == ["HEALTHY", "BROKEN"] * 20
    assert all(max(msgspec.structs.astuple(one.probabilities)) > 0.5 for one in said)
    assert all((one.health_percent > 50) == (one.state == "HEALTHY") for one in said)
    assert {one.model_version for one in said} == {manifest.version}
    assert {(one.rul_hours, one.failure_mode, one.novelty, one.sensor_fault) for one in said} == {(None,) * 4}
    assert b'"rul_hours":null' in bench.session.sent[-1].payload
    assert bench.alarms() == []
    assert len(bench.memory.state.pumps) == 0


def test_simple_output_of_a_version_without_models_of_raw_channels_is_refused_and_readings_wait_for_another(
    tmp_path: Path, registered: Registered
) -> None:
    bench = Workbench(tmp_path, inference_output="simple")
    serving(bench, registered, raw_health_onnx=None)

    bench.run_until_acknowledged(message(1))

    [status] = bench.statuses()
    assert not status.loaded
    assert "the raw_health model cannot be served: this version has none" in status.reason
    assert bench.metric("without_model_total") == 1
