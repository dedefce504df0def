"""A broker that does what a test tells it, packet by packet, on a real socket."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pdm_platform.runtime import mqtt_packets as packets
from pdm_platform.runtime.mqtt_packets import PROTOCOL_5, Packet, Publish
from pdm_platform.runtime.settings import PlatformSettings

WITHIN_S: Final = 10.0
LET_IN_3: Final = bytes((Packet.CONNACK, 2, 0, 0))
LET_IN_5: Final = bytes((Packet.CONNACK, 3, 0, 0, 0))
PONG: Final = bytes((Packet.PINGRESP, 0))


class Client:
    """The broker's end of one connection. All waits are bounded by WITHIN_S."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._waiting = b""
        self.protocol = PROTOCOL_5

    def read(self) -> tuple[int, bytes]:
        """The next packet; (0, b"") where the client has closed the connection."""
        while True:
            found, taken = packets.split(self._waiting, most=1)
            self._waiting = self._waiting[taken:]
            if found:
                return found[0]
            chunk = self._channel.recv(65_536)
            if not chunk:
                return 0, b""
            self._waiting += chunk

    def is_silent(self, for_s: float = 0.1) -> bool:
        """Whether nothing more comes for so long."""
        self._channel.settimeout(for_s)
        try:
            self._waiting += self._channel.recv(65_536)
        except TimeoutError:
            pass
        finally:
            self._channel.settimeout(WITHIN_S)
        return not self._waiting

    def send(self, *parts: bytes) -> None:
        """Write these bytes."""
        self._channel.sendall(b"".join(parts))

    def let_in(self, answer: bytes = LET_IN_5) -> bytes:
        """Answer a CONNECT; returns its body."""
        first, body = self.read()
        assert first == Packet.CONNECT, first
        self.protocol = body[6]
        self.send(answer)
        return body

    def answer_subscribe(self, *codes: int) -> bytes:
        """Answer a SUBSCRIBE with a code for each filter; returns its body."""
        first, body = self.read()
        assert first == Packet.SUBSCRIBE | 2, first
        between = b"\0" if self.protocol == PROTOCOL_5 else b""
        suback = body[:2] + between + bytes(codes or (1,))
        self.send(bytes((Packet.SUBACK, len(suback))), suback)
        return body

    def serve(self, *codes: int) -> None:
        """Let the client in and answer its subscription."""
        self.let_in()
        self.answer_subscribe(*codes)

    def deliver(self, packet_id: int, payload: bytes = b"reading", topic: str = "t", *, dup: bool = False) -> None:
        """Deliver one message."""
        self.send(packets.publish(self.protocol, packet_id, topic, payload, dup=dup))

    def published(self) -> Publish:
        """The next message, which the client publishes."""
        first, body = self.read()
        assert first & 0xF0 == Packet.PUBLISH, first
        return packets.read_publish(self.protocol, first, body)

    def answer(self, *packet_ids: int) -> None:
        """Acknowledge what the client published."""
        self.send(packets.pubacks(packet_ids))

    def hang_up(self) -> None:
        """Close the connection."""
        self._channel.close()


class ScriptedBroker:
    """Listens on a port of its own. tls: certificate and key of the server, in one file."""

    def __init__(self, tls: Path | None = None) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(WITHIN_S)
        self._tls = tls
        self._clients: list[Client] = []
        self.port = int(self._server.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many there were so far."""
        return len(self._clients)

    def settings(self, **changes: object) -> PlatformSettings:
        """Settings of a client of this broker."""
        return PlatformSettings.model_validate({"mqtt_port": self.port, **changes})

    def accept(self) -> Client:
        """The next connection."""
        channel, _ = self._server.accept()
        channel.settimeout(WITHIN_S)
        if self._tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._tls)
            channel = context.wrap_socket(channel, server_side=True)
        self._clients.append(client := Client(channel))
        return client

    @contextmanager
    def playing(self, script: Callable[["ScriptedBroker"], None]) -> Iterator[None]:
        """The script runs in a thread while the block does; what fails there fails the test."""
        failed: list[BaseException] = []

        def play() -> None:
            try:
                script(self)
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        try:
            yield
        except BaseException as error:
            if failed:
                raise failed[0] from error
            raise
        thread.join(WITHIN_S)
        assert not thread.is_alive(), "the broker still waits for what the client should have done"
        if failed:
            raise failed[0]

    def close(self) -> None:
        """End all connections, and listen no more."""
        for client in self._clients:
            client.hang_up()
        self._server.close()
