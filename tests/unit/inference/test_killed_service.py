"""A service that is killed at any moment and started anew says what it would have said without."""

import tempfile
from collections.abc import Iterable, Sequence
from errno import ENOSPC
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.payloads import Alarm, Prediction
from pdm_platform.core.serving import ServingModel, ServingOutput
from pdm_platform.inference import snapshot
from pdm_platform.inference.loader import LoadedModel
from pdm_platform.runtime.mqtt import Message
from tests.fake_session import FakeSession
from tests.small_fleet import channels_at
from tests.unit.inference.workbench import GivenModels, Workbench, message, now_ms

PUMPS, READINGS = 3, 50
Told = dict[tuple[str, Any], Prediction]


class Killed(BaseException):
    """SIGKILL: nothing gets a chance to tidy up."""


class MortalSession(FakeSession):
    """Its process is killed after so many events, and stops by itself when all is acknowledged.

    behind: so many publishes wait for the broker's answer while readings wait. survives: False where it is killed
    instead of stopping.
    """

    def __init__(self, lives_for: int, behind: int = 0, *, survives: bool = True) -> None:
        super().__init__()
        self.bench: Workbench
        self._lives_for, self._behind, self._survives = lives_for, behind, survives
        self.taken: list[Message] = []

    @property
    def answered(self) -> int:
        return max(len(self.sent) - (self._behind if self._waiting else 0), 0)

    def receive(self, max_messages: int, max_wait_s: float, *, linger_s: float = 0.0) -> list[Message]:
        batch = super().receive(max_messages, max_wait_s if self._waiting else 0.0, linger_s=linger_s)
        self.taken += batch
        if not batch and self.answered == self.published:
            if not self._survives:
                raise Killed
            self.bench.stop.set()
        return batch

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._age()
        super().publish(topic, payload, retain=retain)

    def acknowledge(self, messages: Iterable[Message]) -> None:
        messages = list(messages)
        if messages:
            self._age()
        super().acknowledge(messages)

    def _age(self) -> None:
        if not self._lives_for:
            raise Killed
        self._lives_for -= 1


class Lived(NamedTuple):
    """What services on one folder said, and which messages no one acknowledged. killed: the last did not end."""

    predictions: list[Prediction]
    alarms: list[Alarm]
    left: list[Message]
    killed: bool


def live(
    folder: Path, model: LoadedModel, sent: Sequence[Message], lives_for: int, behind: int, **chosen: Any
) -> Lived:
    """One process, from its start to its end."""
    session = MortalSession(lives_for, behind)
    bench = session.bench = Workbench(folder, session, GivenModels(model), **chosen)
    session.deliver(*sent)
    killed = False
    try:
        bench.service.run(bench.stop, bench.health)
    except Killed:
        killed = True
        bench.memory._writer.shutdown()  # the next process meets the disk as this one left it
    done = {(one.mid, one.payload) for one in session.acknowledged}
    taken = {one.mid for one in session.taken}
    left = [
        msgspec.structs.replace(one, dup=one.dup or one.mid in taken, connection=one.connection + 1)
        for one in sent
        if (one.mid, one.payload) not in done
    ]
    return Lived(bench.predictions(), bench.alarms(), left, killed)


def stream(seed: int = 1, age_ms: int = 60_000) -> list[Message]:
    """Readings of pumps in turn, of which the first does not wear."""
    draw = np.random.default_rng(seed)
    sent: list[Message] = []
    start_ms = now_ms() - age_ms
    for second in range(READINGS):
        for pump in range(PUMPS):
            wear = second / READINGS if pump else 0.0
            values = np.array(channels_at(100.0 * (1.0 - wear))) * draw.uniform(0.98, 1.02, 8)
            fields = dict(zip(CHANNEL_NAMES, values.tolist(), strict=True))
            device = f"pump-{pump}"
            sent.append(
                message(
                    len(sent) + 1,
                    topic=f"factory/pumps/{device}/telemetry",
                    device_id=device,
                    timestamp=start_ms + 1_000 * second,
                    **fields,
                )
            )
    return sent


def timeless(one: Prediction) -> Prediction:
    return msgspec.structs.replace(one, inference_timestamp="")


def told(predictions: Iterable[Prediction]) -> Told:
    """By pump and time; where one was told twice, both must be the same."""
    found: Told = {}
    for one in map(timeless, predictions):
        first = found.setdefault((one.device_id, one.timestamp), one)
        changed = [name for name in one.__struct_fields__ if getattr(one, name) != getattr(first, name)]
        assert not changed, f"{one.device_id} at {one.timestamp}: {changed} differ"
    return found


def changes(alarms: Iterable[Alarm]) -> set[Alarm]:
    return {msgspec.structs.replace(one, inference_timestamp="") for one in alarms}


def after_kills(
    folder: Path, model: LoadedModel, sent: Sequence[Message], kills: Sequence[int], behind: int, **chosen: Any
) -> list[Lived]:
    """Processes that are killed after so many events each, and a last one that is not."""
    lives = []
    for lives_for in (*kills, 10**9):
        lives.append(live(folder, model, sent, lives_for, behind, **chosen))
        sent = lives[-1].left
    return lives


class Reference:
    """A stream of readings, and what a service says of it that is never killed."""

    def __init__(self, sent: list[Message], lived: Lived) -> None:
        self.sent, self.lived = sent, lived


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, loaded: LoadedModel) -> Reference:
    sent = stream()
    return Reference(sent, live(tmp_path_factory.mktemp("reference"), loaded, sent, 10**9, 0))


def different(said: Told, expected: Told) -> list[tuple[str, Any]]:
    """Of which readings something else was said, or nothing, or of which nothing was asked."""
    return [key for key in (said | expected) if said.get(key) != expected.get(key)]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kills=st.lists(st.integers(0, PUMPS * READINGS + 20), min_size=1, max_size=3),
    behind=st.integers(0, 40),
    batch=st.integers(1, 30),
    snapshots=st.sampled_from(["always", "seldom", "never"]),
)
@example(kills=[100], behind=0, batch=10, snapshots="seldom")
@example(kills=[100], behind=0, batch=10, snapshots="never")
@example(kills=[9, 1], behind=1, batch=4, snapshots="always")
def test_whenever_it_is_killed_every_reading_is_told_what_it_would_have_been_told(
    loaded: LoadedModel,
    reference: Reference,
    tmp_path: Path,
    kills: list[int],
    behind: int,
    batch: int,
    snapshots: str,
) -> None:
    often_s = 1e-6 if snapshots == "always" else 3_600.0
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder, pytest.MonkeyPatch.context() as patched:
        if snapshots == "never":
            patched.setattr(snapshot, "save", fails)
        lives = after_kills(
            Path(folder), loaded, reference.sent, kills, behind, inference_max_batch=batch, inference_snapshot_s=often_s
        )

    undisturbed = reference.lived
    assert different(told(one for lived in lives for one in lived.predictions), told(undisturbed.predictions)) == []
    assert changes(alarm for lived in lives for alarm in lived.alarms) == changes(undisturbed.alarms)
    assert lives[-1].left == []
    assert len(undisturbed.predictions) == len(reference.sent)
    assert len(undisturbed.alarms) > 2


def fails(*_: object) -> None:
    """A snapshot that is not written: the process ends before, or the disk is full."""
    raise OSError(ENOSPC, "No space left on device")


def test_what_was_noted_but_not_acknowledged_is_acknowledged_and_not_told_again(
    tmp_path: Path, loaded: LoadedModel
) -> None:
    sent = stream()
    # one status, ten predictions, and then the acknowledgement, which does not go out any more
    killed = live(tmp_path, loaded, sent[:10], 11, 0)
    after = live(tmp_path, loaded, killed.left, 10**9, 0)

    assert killed.killed
    assert len(killed.left) == 10
    assert (len(killed.predictions), len(after.predictions)) == (10, 0)
    assert after.left == []


def test_a_second_process_knows_what_the_first_answered_without_a_model(tmp_path: Path, loaded: LoadedModel) -> None:
    sent = stream()
    session = MortalSession(2)
    bench = session.bench = Workbench(tmp_path, session, GivenModels(), inference_max_batch=10)
    session.deliver(*sent[:30])
    with pytest.raises(Killed):
        bench.service.run(bench.stop, bench.health)
    bench.memory._writer.shutdown()

    after = MortalSession(10**9)
    again = after.bench = Workbench(tmp_path, after, GivenModels(loaded))
    again.service.run(again.stop, again.health)

    assert len(session.acknowledged) == 20
    # the third batch was noted as well: only its acknowledgement was lost
    pumps = again.memory.state.pumps
    assert pumps["seen"][: len(pumps), 0].tolist() == [10.0, 10.0, 10.0]


def differing_memory(before: Workbench, now: Workbench) -> list[str]:
    """Names of the remembered arrays that are not the same in both services."""
    one, other = (snapshot.to_arrays(bench.memory.state, 0) for bench in (before, now))
    assert one.keys() == other.keys()
    return [name for name in one if not np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f")]


@pytest.mark.parametrize("chosen", [{"inference_stale_after_s": 0.001}, {}], ids=["skipped", "all answered"])
def test_the_state_after_a_kill_is_the_state_before_it(
    tmp_path: Path, loaded: LoadedModel, chosen: dict[str, Any]
) -> None:
    session = MortalSession(10**9, survives=False)
    bench = session.bench = Workbench(tmp_path, session, GivenModels(loaded), inference_max_batch=20, **chosen)
    session.deliver(*stream())
    with pytest.raises(Killed):
        bench.service.run(bench.stop, bench.health)
    bench.memory._writer.shutdown()

    after = MortalSession(10**9)
    again = after.bench = Workbench(tmp_path, after, GivenModels(loaded), **chosen)
    again.service.run(again.stop, again.health)

    assert differing_memory(bench, again) == []
    assert (bench.metric("skipped_total") or 0) == (7 * (20 - PUMPS) if chosen else 0)
    assert again.session.published == 1, "the state is told anew in silence"


class Gloomy:
    """A model to which every pump is broken."""

    def __init__(self, model: ServingModel) -> None:
        self._model = model

    def predict(self, features: np.ndarray) -> ServingOutput:
        said = self._model.predict(features)
        return said._replace(probabilities=np.tile([0.0, 0.0, 0.0, 1.0], (len(features), 1)))


def test_what_another_model_told_before_the_kill_is_told_anew_by_that_model(
    tmp_path: Path, loaded: LoadedModel
) -> None:
    former = LoadedModel("v20250101T000000-00000000", cast(ServingModel, Gloomy(loaded.model)))
    session = MortalSession(10**9, survives=False)
    bench = session.bench = Workbench(tmp_path, session, GivenModels(former))
    session.deliver(*stream())
    with pytest.raises(Killed):
        bench.service.run(bench.stop, bench.health)
    bench.memory._writer.shutdown()

    after = MortalSession(10**9)
    again = after.bench = Workbench(tmp_path, after, GivenModels(loaded, formerly=(former,)))
    again.service.run(again.stop, again.health)

    assert differing_memory(bench, again) == []
