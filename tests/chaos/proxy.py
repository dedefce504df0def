"""A TCP connection that can be cut: a small proxy on loopback, in a thread of its own."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

_CHUNK_BYTES: Final = 2**16
# What Mosquitto hands over between two saves at 8,000 readings/s is about half of it.
_REMEMBERED_BYTES: Final = 2**26
_RESET: Final = struct.pack("ii", 1, 0)


class Proxy:
    """Passes connections to `port` on to `target`, until cut off. `remembers`: keeps what the last connection got."""

    def __init__(self, target: int, *, remembers: bool = False) -> None:
        self.port = 0
        self._target = target
        self._remembers = remembers
        self._handed_over = bytearray()
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event

    def handed_over(self) -> bytes:
        """The last bytes that the target sent on the newest connection."""
        return bytes(self._handed_over)

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Reset all connections, and each new one while the block runs."""
        self._set_cut(True)
        try:
            yield
        finally:
            self._set_cut(False)

    def _set_cut(self, cut: bool) -> None:
        async def apply() -> None:
            self._cut = cut
            if cut:
                for writer in list(self._writers):
                    _reset(writer)

        asyncio.run_coroutine_threadsafe(apply(), self._loop).result(10.0)

    async def serve(self, listening: Callable[[], None]) -> None:
        """Pass connections on until told to end."""
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        listening()
        async with server:
            await self._over.wait()
            for writer in list(self._writers):
                _reset(writer)

    def end(self) -> None:
        """Reset all connections and listen no more."""
        self._loop.call_soon_threadsafe(self._over.set)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._cut:
                raise ConnectionRefusedError
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        self._handed_over = handed_over = bytearray()
        self._writers |= {writer, target_writer}
        try:
            await asyncio.gather(
                self._carry(reader, target_writer, None),
                self._carry(target_reader, writer, handed_over if self._remembers else None),
            )
        finally:
            self._writers -= {writer, target_writer}

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, memory: bytearray | None
    ) -> None:
        with suppress(OSError):  # the connection has gone: so shall the other half
            while chunk := await reader.read(_CHUNK_BYTES):
                writer.write(chunk)
                await writer.drain()
                if memory is not None:
                    memory += chunk
                    del memory[: max(0, len(memory) - _REMEMBERED_BYTES)]
        # what was sent before the end still arrives
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    channel = writer.get_extra_info("socket")
    with suppress(OSError):  # it has been closed meanwhile
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@contextmanager
def running_proxy(target: int, *, remembers: bool = False) -> Iterator[Proxy]:
    """A proxy to this port of loopback, ended afterwards."""
    proxy = Proxy(target, remembers=remembers)
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(ready.set)), name=f"proxy-{target}", daemon=True)
    thread.start()
    assert ready.wait(10.0), f"no proxy to port {target}"
    try:
        yield proxy
    finally:
        proxy.end()
        thread.join(10.0)
