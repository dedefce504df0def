"""One connection to the broker as a non-blocking stream of packets: bytes out, packets in, plain or TLS."""

import selectors
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pdm_platform.contract.errors import BrokerError, SettingsError
from pdm_platform.runtime import mqtt_packets as packets

_READ_BYTES: Final = 256 * 1024
_WITHIN_S: Final = 5.0
_LOOK_S: Final = 0.2


def tls_context(ca: Path | None) -> ssl.SSLContext | None:
    """What proves the broker's identity; None where no certificate authority is set. Raises SettingsError."""
    if ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(ca))
    except OSError as error:
        raise SettingsError(f"PDM_MQTT_TLS_CA={str(ca)!r}: {error.strerror}") from None


class Wire:
    """An open connection. All its methods raise OSError or BrokerError where the connection is lost."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        plain = socket.create_connection((host, port), timeout=_WITHIN_S)
        try:
            # else the kernel holds back a prediction until the one before it is confirmed: 40 ms
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = plain if tls is None else tls.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        self._socket.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._waits_to_write = False
        self._out: list[bytes] = []
        self._in = b""
        self._more = False
        self.last_sent_s = time.monotonic()

    def send(self, packet: bytes) -> None:
        """Hand one packet, or several in one piece, over to be written by the next `exchange`."""
        self._out.append(packet)

    def exchange(self, wait_s: float) -> list[tuple[int, bytes]]:
        """Write what is handed over, as far as the broker takes it, and read what is there.

        Waits up to `wait_s` for something to read. Returns whole packets, at most about 256 KiB of them.
        """
        self.write()
        if not self._more:
            ready = self._selector.select(wait_s)
            if any(events & selectors.EVENT_WRITE for _, events in ready):
                self.write()
            if not any(events & selectors.EVENT_READ for _, events in ready):
                return []
        return self._read()

    def answer(self, wanted: packets.Packet, stopped: Callable[[], bool]) -> bytes:
        """The body of the packet that must come first. Raises BrokerError where it does not."""
        deadline_s = time.monotonic() + _WITHIN_S
        while time.monotonic() < deadline_s and not stopped():
            self.write()
            if self._selector.select(_LOOK_S):
                self._in += self._chunk(_READ_BYTES)
            found, taken = packets.split(self._in, most=1)
            if found:
                first, body = found[0]
                if first & 0xF0 != wanted:
                    raise BrokerError(f"the broker answered with packet type {first >> 4}, not {wanted.name}")
                # what came behind it is read by the next exchange, whether more comes or not
                self._in = self._in[taken:]
                self._more = True
                return body
        raise BrokerError(f"no {wanted.name} within {_WITHIN_S:g} s")

    def is_silent(self) -> bool:
        """Whether nothing is there to read."""
        return not (self._more or self._pending() or self._selector.select(0))

    def _read(self) -> list[tuple[int, bytes]]:
        chunk = self._chunk(_READ_BYTES)
        self._more = len(chunk) == _READ_BYTES or self._pending()
        found, taken = packets.split(self._in + chunk if self._in else chunk)
        self._in = (self._in + chunk)[taken:]
        return found

    def _pending(self) -> bool:
        """Whether TLS has decrypted bytes of which the selector knows nothing."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _chunk(self, size: int) -> bytes:
        try:
            chunk = self._socket.recv(size)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        if not chunk:
            raise BrokerError("the broker closed the connection")
        return chunk

    def write(self) -> None:
        """Write what is handed over, as far as the broker takes it."""
        if self._out:
            block = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            sent = 0
            try:
                while sent < len(block):
                    sent += self._socket.send(memoryview(block)[sent:] if sent else block)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass  # the broker takes no more for now; what is left goes first next time
            self._out = [block[sent:]] if sent < len(block) else []
            if sent:
                self.last_sent_s = time.monotonic()
        if self._waits_to_write != bool(self._out):
            self._waits_to_write = bool(self._out)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._waits_to_write else 0)
            self._selector.modify(self._socket, events)

    def close(self) -> None:
        """Close, whatever state the connection is in."""
        self._selector.close()
        self._socket.close()
