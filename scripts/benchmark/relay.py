# ruff: noqa: D102, S603, T201 - asyncio documents its callbacks; a relay is started here, and prints its address
"""A network on loopback: a TCP relay that adds a round trip, a rate a connection and a rate in all.

It runs as a process of its own, so that it neither waits for the benchmark nor shares its interpreter, prints
where it listens, and ends with its standard input.

The round trip is paid by the handshake (a connection's first byte waits for it) and half of it by every chunk in
either direction. The link is full duplex: each direction has the whole rate.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import select
import selectors
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 64 * 1024  # bytes: 3 ms at 20 MB/s, and few enough of them to cost nothing
BURST = 0.004  # seconds a bucket may catch up after its timer came late
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """What lies between two ends: seconds a round trip, bytes a second for one connection and for all (0: no limit)."""

    round_trip: float = 0.0
    connection_rate: float = 0.0
    total_rate: float = 0.0

    def __bool__(self) -> bool:
        """Whether the link differs from loopback itself."""
        return any((self.round_trip, self.connection_rate, self.total_rate))

    def __str__(self) -> str:
        """What it adds: the end of a title."""
        if not self:
            return "no delay"
        return (
            f"over {self.round_trip * 1000:.0f} ms, {self.connection_rate / 1e6:.0f} MB/s a connection, "
            f"{self.total_rate / 1e6:.0f} MB/s in all"
        )


class Bucket:
    """Bytes pass one after another at a rate; `passes` says when the last of the next ones will have passed."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free = 0.0

    def passes(self, size: int, now: float) -> float:
        if not self._rate:
            return now
        self._free = max(self._free, now - BURST) + size / self._rate
        return self._free


class End(asyncio.BufferedProtocol):
    """One end of a relayed connection: what it receives reaches its peer when the link has carried it."""

    transport: asyncio.Transport
    peer: End  # set when the other end is there

    def __init__(self, link: Link, total: Bucket) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay = link.round_trip / 2
        self._buckets = (Bucket(link.connection_rate), total)
        self._buffer = memoryview(bytearray(CHUNK))
        self._under_way: deque[bytes | None] = deque()  # b"" is the end of the stream, None the end of the connection
        self._busy_until = 0.0
        self._peer_is_full = False
        self.shaken = 0.0  # when the handshake is over, in the loop's time

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker: streams have no other
        transport.pause_reading()  # until both ends are there
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        now = self._loop.time()
        self._busy_until = max(bucket.passes(nbytes, now) for bucket in self._buckets)
        self._send(bytes(self._buffer[:nbytes]))
        if self._busy_until > now:
            self.transport.pause_reading()
            self._loop.call_at(self._busy_until, self.read_on)

    def eof_received(self) -> bool:
        self._send(b"")
        return True  # the other direction stays open

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._send(None)

    def pause_writing(self) -> None:
        self.peer._peer_is_full = True  # noqa: SLF001 - the same class
        self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        self.peer._peer_is_full = False  # noqa: SLF001 - the same class
        self.peer.read_on()

    def read_on(self) -> None:
        """Take the next chunk, if the last one has passed and the peer has room."""
        if not self._peer_is_full and self._loop.time() >= self._busy_until and not self.transport.is_closing():
            self.transport.resume_reading()

    def _send(self, chunk: bytes | None) -> None:
        self._under_way.append(chunk)
        self._loop.call_at(max(self.shaken, self._busy_until, self._loop.time()) + self._delay, self._arrive)

    def _arrive(self) -> None:
        if not hasattr(self, "peer"):  # before Python 3.11.4, reading goes on for a moment after `pause_reading`
            self._loop.call_later(0.001, self._arrive)
            return
        chunk = self._under_way.popleft()
        receiver = self.peer.transport
        if chunk is None:
            receiver.close()
        elif receiver.is_closing():
            return
        elif chunk:
            receiver.write(chunk)
        elif receiver.can_write_eof():
            receiver.write_eof()


class PreciseSelector(selectors.EpollSelector):
    """epoll with timeouts in microseconds: epoll_wait itself rounds them up to whole milliseconds."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            select.select([self.fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)


async def serve(target: str, link: Link) -> None:
    """Relay connections to `target` (`host:port`) until standard input ends; print where it listens."""
    loop = asyncio.get_running_loop()
    host, _, port = target.rpartition(":")
    up, down = Bucket(link.total_rate), Bucket(link.total_rate)
    connecting: set[asyncio.Task[None]] = set()

    async def connect(client: End) -> None:
        try:
            _, server = await loop.create_connection(lambda: End(link, down), host, int(port))
        except OSError:
            client.peer = client
            client.transport.abort()
            return
        client.peer, server.peer = server, client
        server.read_on()
        client.read_on()

    class Accepted(End):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.shaken = loop.time() + link.round_trip
            task = loop.create_task(connect(self))
            connecting.add(task)
            task.add_done_callback(connecting.discard)

    server = await loop.create_server(lambda: Accepted(link, up), LOOPBACK, 0, backlog=1024)
    print(f"{LOOPBACK}:{server.sockets[0].getsockname()[1]}", flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)  # nobody writes there: readable is ended
    await ended.wait()


@contextlib.contextmanager
def relayed(target: str, link: Link) -> Iterator[str]:
    """`host:port` at which `target` is reached over `link`; `target` itself where the link adds nothing."""
    if not link:
        yield target
        return
    argv = [sys.executable, "-S", __file__, target]
    argv += [str(value) for value in (link.round_trip, link.connection_rate, link.total_rate)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout  # noqa: S101, PT018 - for the type checker: both are pipes
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def main() -> None:
    """Run one relay from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", help="host:port to relay to")
    parser.add_argument("round_trip", type=float, help="seconds")
    parser.add_argument("connection_rate", type=float, help="bytes a second, 0: no limit")
    parser.add_argument("total_rate", type=float, help="bytes a second, 0: no limit")
    options = vars(parser.parse_args())
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(PreciseSelector())) as runner:
        runner.run(serve(options.pop("target"), Link(**options)))


if __name__ == "__main__":
    main()
