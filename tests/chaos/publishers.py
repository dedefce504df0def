"""Devices that send numbered readings at QoS 1 over a few connections, and remember what was acknowledged."""

import random
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final

from pdm_platform.runtime.settings import PlatformSettings
from tests.chaos.ledger import DEVICES, Ledger, device_id

CONNECTIONS: Final = 4
IN_FLIGHT: Final = 1_000
_BURST: Final = 100
_SILENT_S: Final = 20.0
_PUBACK, _DUP = 0x40, 0x08


@dataclass(slots=True)
class _Sent:
    """A reading on its way: its places in the ledger, and its packet."""

    device: int
    number: int
    packet: bytearray


class Publisher:
    """One connection and the devices behind it. Across lost connections it sends again what was not acknowledged."""

    def __init__(self, name: str, settings: PlatformSettings, ledger: Ledger, devices: range, rate_hz: float) -> None:
        self._name, self._settings, self._ledger, self._rate_hz = name, settings, ledger, rate_hz
        self._readings = ((device, number) for number in range(ledger.per_device) for device in devices)
        self._left = ledger.per_device * len(devices)
        self._in_flight: dict[int, _Sent] = {}
        self._last_mid = 0
        self._paced_s, self._allowed = 0.0, 0.0
        self.acknowledged = 0
        self.sent_again = 0
        self.connections = 0

    def run(self, stop: threading.Event, hold: threading.Event) -> None:
        """Until all is acknowledged, or stopped; sends nothing new while on hold."""
        while (self._left or self._in_flight) and not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self._settings.mqtt_port), timeout=_SILENT_S) as channel:
                    self._log_in(channel)
                    self._exchange(channel, stop, hold)
            except OSError:
                stop.wait(random.uniform(0.1, 0.5))

    def _log_in(self, channel: socket.socket) -> None:
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel.sendall(connect_packet(self._name, self._settings))
        answer = _receive_exactly(channel, 4)
        assert answer[:2] == b"\x20\x02", f"the broker answers CONNECT with {answer!r}"
        if answer[3]:
            raise ConnectionRefusedError(f"the broker refuses {self._name}: {answer[3]}")
        self.connections += 1
        for sent in self._in_flight.values():
            sent.packet[0] |= _DUP
            channel.sendall(sent.packet)
        self.sent_again += len(self._in_flight)

    def _exchange(self, channel: socket.socket, stop: threading.Event, hold: threading.Event) -> None:
        rest = b""
        heard_s = time.monotonic()
        while (self._left or self._in_flight) and not stop.is_set():
            if not hold.is_set():
                self._send(channel)
            readable, _, _ = select.select([channel], [], [], 0.005)
            if readable:
                chunk = channel.recv(2**16)
                if not chunk:
                    raise ConnectionResetError
                rest = self._acknowledge(rest + chunk)
                heard_s = time.monotonic()
            elif not self._in_flight:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > _SILENT_S:
                raise TimeoutError

    def _send(self, channel: socket.socket) -> None:
        count = min(IN_FLIGHT - len(self._in_flight), self._left, self._room())
        if count <= 0:
            return
        burst = [self._next(device, number) for device, number in islice(self._readings, count)]
        self._left -= len(burst)
        self._allowed -= len(burst)
        # noted before it leaves: from here on it may be stored
        for sent in burst:
            self._ledger.sent[sent.device, sent.number] = True
        channel.sendall(b"".join(sent.packet for sent in burst))

    def _room(self) -> int:
        """How many the rate allows now. What was missed during an outage is not made up for."""
        now_s = time.monotonic()
        self._allowed = min(self._allowed + (now_s - self._paced_s) * self._rate_hz, _BURST)
        self._paced_s = now_s
        return int(self._allowed)

    def _next(self, device: int, number: int) -> _Sent:
        mid = self._last_mid % 65_535 + 1
        assert mid not in self._in_flight, "packet ids have run out"
        self._last_mid = mid
        topic = self._settings.topics.root + f"/pumps/{device_id(device)}/telemetry"
        sent = _Sent(device, number, publish_packet(topic, mid, self._ledger.payload(device, number)))
        self._in_flight[mid] = sent
        return sent

    def _acknowledge(self, received: bytes) -> bytes:
        """Note the acknowledgements in what was received; returns the part of one at its end."""
        now_s = time.monotonic()
        whole = len(received) - len(received) % 4
        for kind, length, mid in struct.iter_unpack("!BBH", received[:whole]):
            assert (kind, length) == (_PUBACK, 2), f"the broker sends {kind:#x} where only acknowledgements may come"
            sent = self._in_flight.pop(mid, None)
            if sent is not None:
                self._ledger.acknowledged_s[sent.device, sent.number] = now_s
                self.acknowledged += 1
        return received[whole:]


def connect_packet(client_id: str, settings: PlatformSettings) -> bytes:
    """MQTT 3.1.1 CONNECT with a clean session and no keepalive, with user name and password where there are any."""
    user = settings.mqtt_username
    flags = 0x02 | (0xC0 if user else 0)
    body = _text("MQTT") + bytes([4, flags, 0, 0]) + _text(client_id)
    if user:
        body += _text(user) + _text(settings.password())
    return b"\x10" + _length(len(body)) + body


def publish_packet(topic: str, mid: int, payload: bytes) -> bytearray:
    """MQTT 3.1.1 PUBLISH at QoS 1."""
    body = _text(topic) + mid.to_bytes(2, "big") + payload
    return bytearray(b"\x32" + _length(len(body)) + body)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, digit = divmod(size, 128)
        encoded.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(encoded)


def _receive_exactly(channel: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = channel.recv(size - len(received))
        if not chunk:
            raise ConnectionResetError
        received += chunk
    return received


class Publishers:
    """All connections together. `hold` keeps them from sending new readings."""

    def __init__(self, settings: PlatformSettings, ledger: Ledger, rate_hz: float) -> None:
        self.hold = threading.Event()
        self._stop = threading.Event()
        self._all = [
            Publisher(f"chaos-{place}", settings, ledger, range(place, DEVICES, CONNECTIONS), rate_hz / CONNECTIONS)
            for place in range(CONNECTIONS)
        ]
        self._threads = [
            threading.Thread(target=publisher.run, args=(self._stop, self.hold), daemon=True) for publisher in self._all
        ]

    @contextmanager
    def running(self) -> Iterator["Publishers"]:
        """They send while the block runs."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    @property
    def alive(self) -> int:
        """How many have not got all acknowledged yet, and go on."""
        return sum(thread.is_alive() for thread in self._threads)

    @property
    def acknowledged(self) -> int:
        """Readings that the broker has acknowledged."""
        return sum(publisher.acknowledged for publisher in self._all)

    @property
    def sent_again(self) -> int:
        """Readings sent another time over a new connection."""
        return sum(publisher.sent_again for publisher in self._all)

    @property
    def reconnects(self) -> int:
        """Connections after the first ones."""
        return sum(publisher.connections for publisher in self._all) - len(self._all)
