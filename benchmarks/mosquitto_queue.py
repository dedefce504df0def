"""Measures what docs/operations.md says of the broker, on Debian's Mosquitto with the shipped configuration.

    .venv/bin/python -m benchmarks.mosquitto_queue killed --rate 500 --runs 3
    .venv/bin/python -m benchmarks.mosquitto_queue killed --rate 500 --runs 3 --away
    .venv/bin/python -m benchmarks.mosquitto_queue waiting --messages 360000
    .venv/bin/python -m benchmarks.mosquitto_queue saving --messages 30000

`--set "autosave_interval 60"` tries another value of a setting.
"""

import json
import re
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from pdm_platform.deployment.access import User
from pdm_platform.runtime.mqtt import Link, Message
from tests.servers.mosquitto import Mosquitto, wait_until

app = typer.Typer(no_args_is_help=True, help=__doc__, rich_markup_mode=None)
ALL_PUMPS = "factory/pumps/+/telemetry"
CATCH_UP_S = 600.0
# an acknowledgement takes a millisecond, where nothing holds the broker up
STOPPED_S = 0.02
Changes = Annotated[list[str] | None, typer.Option("--set", help="a line instead of the shipped one of this name")]


@dataclass
class Tuned(Mosquitto):
    """The shipped broker with some of its lines replaced."""

    lines: list[str] = field(default_factory=list)

    def _configuration(self) -> Path:
        path = super()._configuration()
        text = path.read_text(encoding="utf-8")
        for line in self.lines:
            name = re.escape(line.split()[0])
            text, found = re.subn(rf"(?m)^{name} .*$", line, text)
            text = text if found else f"{line}\n{text}"
        path.write_text(text, encoding="utf-8")
        return path


class Counted:
    """A service's session: takes what comes, acknowledges it, and counts each payload."""

    def __init__(self, broker: Mosquitto, user: User) -> None:
        self.seen: Counter[bytes] = Counter()
        settings = broker.client(user, tls=False)
        self.link = Link(settings, user, subscriptions=[ALL_PUMPS], on_message=self._take)

    def _take(self, message: Message) -> None:
        self.seen[message.payload] += 1
        self.link.acknowledge([message])

    @contextmanager
    def connected(self) -> Iterator["Counted"]:
        """Connected while the block runs; the session stays at the broker."""
        self.link.start()
        self.link.wait_ready(10.0)
        try:
            yield self
        finally:
            self.link.stop()

    def take_all(self) -> None:
        """Wait until nothing has come for three seconds."""
        last, since = -1, time.monotonic()
        deadline = since + CATCH_UP_S
        while time.monotonic() - since < 3.0 and time.monotonic() < deadline:
            if len(self.seen) != last:
                last, since = len(self.seen), time.monotonic()
            time.sleep(0.05)


@contextmanager
def tuned(changes: list[str] | None) -> Iterator[Tuned]:
    """A running broker in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="mosquitto-") as folder:
        broker = Tuned(Path(folder) / "site", lines=changes or [], within_s=60.0)
        broker.prepare()
        broker.start()
        try:
            yield broker
        finally:
            if broker.process is not None and broker.process.poll() is None:
                broker.stop()


def leave_session(broker: Mosquitto, user: User) -> None:
    """A service that has subscribed and gone."""
    with Counted(broker, user).connected():
        pass


@contextmanager
def publisher(broker: Mosquitto) -> Iterator[Link]:
    """A publisher that sends again what was not acknowledged, as devices with QoS 1 do."""
    link = Link(broker.client(User.SIMULATOR, tls=False), "publisher", persistent=False, max_unacknowledged=2_000)
    link.start()
    link.wait_ready(10.0)
    try:
        yield link
    finally:
        link.stop()


def publish(link: Link, rate_hz: float, stop: threading.Event, sent: list[int]) -> None:
    """Publish numbers, one after the other, until told to stop; `sent` grows by each."""
    began = time.monotonic()
    while not stop.is_set():
        number = len(sent)
        link.publish(f"factory/pumps/pump-{number % 100:03d}/telemetry", str(number).encode())
        sent.append(number)
        stop.wait(max(0.0, began + number / rate_hz - time.monotonic()))


@app.command()
def killed(
    rate: float = 500.0, runs: int = 3, after_s: float = 25.3, away: bool = False, changes: Changes = None
) -> None:
    """Kill -9 in the middle of a QoS 1 stream: what was acknowledged to the publisher, and what arrived in the end.

    --away: the service is not there while the stream comes, and takes it up afterwards.
    """
    for run in range(runs):
        with tuned(changes) as broker:
            leave_session(broker, User.BRIDGE)
            service = Counted(broker, User.BRIDGE)
            stop, sent = threading.Event(), list[int]()
            with publisher(broker) as link:
                thread = threading.Thread(target=publish, args=(link, rate, stop, sent))
                thread.start()
                if away:
                    at = _kill(broker, after_s + 2.7 * run, sent)
                else:
                    with service.connected():
                        at = _kill(broker, after_s + 2.7 * run, sent)
                        time.sleep(5.0)
                time.sleep(3.0)
                stop.set()
                thread.join()
                assert link.flush(30.0), "the publisher was not acknowledged all"
            with Counted(broker, User.BRIDGE).connected() as rest:
                rest.take_all()
            _tell(f"run {run + 1}", service.seen + rest.seen, sent, at, rate)


def _kill(broker: Mosquitto, after_s: float, sent: list[int]) -> int:
    time.sleep(after_s)
    at = len(sent)
    broker.kill()
    broker.start()
    return at


def _tell(what: str, seen: Counter[bytes], sent: list[int], killed_at: int, rate_hz: float) -> None:
    lost = [number for number in sent if str(number).encode() not in seen]
    ages = (
        f", published {(killed_at - lost[0]) / rate_hz:.1f} to {(killed_at - lost[-1]) / rate_hz:.1f} s before"
        if lost
        else ""
    )
    twice = sum(count - 1 for count in seen.values())
    print(f"{what}: acknowledged {len(sent)}, arrived {len(seen)}, lost {len(lost)}{ages}, twice {twice}", flush=True)


@app.command()
def waiting(messages: int = 360_000, payload_bytes: int = 300, services: int = 2, changes: Changes = None) -> None:
    """What messages that wait for services cost: memory, saving, stopping, starting, taking them up."""
    users = [User.BRIDGE, User.INFERENCE][:services]
    with tuned([*(changes or []), "autosave_interval 0"]) as broker:
        empty_mb = _memory_mb(broker)
        for user in users:
            leave_session(broker, user)
        seconds = _fill(broker, messages, payload_bytes)
        full_mb = _memory_mb(broker)
        print(f"{messages} of {payload_bytes} bytes wait for {services} services; published {messages / seconds:.0f}/s")
        print(f"memory {full_mb:.0f} MB, empty {empty_mb:.0f} MB: {(full_mb - empty_mb) * 1e3 / messages:.2f} kB each")
        saved_s, size_mb = _save(broker)
        print(f"a save stops everything for {saved_s:.1f} s and writes {size_mb:.0f} MB")
        began = time.monotonic()
        broker.stop()
        stopped = time.monotonic()
        broker.start()
        started, memory_mb = time.monotonic(), _memory_mb(broker)
        print(f"stop {stopped - began:.1f} s, start {started - stopped:.1f} s, memory then {memory_mb:.0f} MB")
        began = time.monotonic()
        with Counted(broker, User.BRIDGE).connected() as service:
            service.take_all()
            print(f"arrived {len(service.seen)}, {len(service.seen) / (time.monotonic() - began - 3.0):.0f}/s")


@app.command()
def saving(messages: int = 30_000, seconds: float = 30.0, changes: Changes = None) -> None:
    """What the broker's own saves cost a publisher while messages wait: how long it waits for its acknowledgements."""
    with tuned(changes) as broker:
        leave_session(broker, User.BRIDGE)
        if messages:
            _fill(broker, messages, 300)
        waits_s = []
        with publisher(broker) as link:
            until = time.monotonic() + seconds
            while (began := time.monotonic()) < until:
                link.publish("factory/training/nobody/training_data", b"{}")
                assert link.flush(60.0)
                waits_s.append(time.monotonic() - began)
        stopped_s = sum(wait_s for wait_s in waits_s if wait_s > STOPPED_S)
        print(f"{messages} wait: longest wait {max(waits_s):.2f} s, stopped for {stopped_s / seconds:.1%} of the time")


def _fill(broker: Mosquitto, messages: int, payload_bytes: int) -> float:
    began = time.monotonic()
    with publisher(broker) as link:
        for number in range(messages):
            text = json.dumps({"number": number}).ljust(payload_bytes)
            link.publish(f"factory/pumps/pump-{number % 1000:03d}/telemetry", text.encode())
        assert link.flush(60.0), "the publisher was not acknowledged all"
    return time.monotonic() - began


def _save(broker: Mosquitto) -> tuple[float, float]:
    """Longest time that a publisher waits for its acknowledgement during a save, s; size of the file, MB."""
    saved = broker.data / "mosquitto.db"
    longest, asked = 0.0, time.time()
    with publisher(broker) as link:
        broker.broker.send_signal(signal.SIGUSR1)
        while not (saved.exists() and saved.stat().st_mtime >= asked) or longest == 0.0:
            began = time.monotonic()
            link.publish("factory/training/nobody/training_data", b"{}")
            assert link.flush(60.0)
            longest = max(longest, time.monotonic() - began)
    return longest, saved.stat().st_size / 1e6


def _memory_mb(broker: Mosquitto) -> float:
    wait_until(lambda: broker.process is not None and broker.process.poll() is None, "it runs")
    return float(broker.broker.memory_info().rss) / 1e6


if __name__ == "__main__":
    app()
