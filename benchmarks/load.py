"""Load for an HTTP/1.1 server on this machine: keep-alive connections that never wait.

    python benchmarks/load.py http://127.0.0.1:8000/v1/predict bodies.jsonl --connections 16
    python benchmarks/load.py --ceiling      what this program reaches against a bare socket

Every connection sends its next request as soon as it has the answer to the one before. Bodies
are the lines of a file, sent in turn; the bytes of all requests are made before the clock runs.
Prints one line of JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

_NOTHING = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass
class Report:
    """What came back; latencies in milliseconds, ``statuses`` with how often each was seen."""

    requests: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    longest: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether every request was answered with 200."""
        return set(self.statuses) == {"200"}


class _Tally:
    """Latencies and statuses of all connections, until the time or the count is used up."""

    def __init__(self, requests: Iterator[bytes], deadline: float, count: int | None) -> None:
        self.requests, self.deadline = requests, deadline
        self.left = count
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()

    def next(self) -> bytes | None:
        if self.left is not None:
            if self.left <= 0:
                return None
            self.left -= 1
        if time.perf_counter() >= self.deadline:
            return None
        return next(self.requests)


class _Connection(asyncio.Protocol):
    """One request under way at a time; answers need a Content-Length."""

    def __init__(self, tally: _Tally) -> None:
        self._tally = tally
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._sent = 0.0
        self._wanted = 0
        self._status = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._wanted and not self._read_head():
            return
        if len(self._buffer) >= self._wanted:
            self._tally.latencies.append(time.perf_counter() - self._sent)
            self._tally.statuses[self._status] += 1
            self._buffer.clear()
            self._wanted = 0
            self._send()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self._tally.statuses["lost"] += 1
            self.done.set_result(None)

    def _read_head(self) -> bool:
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return False
        head = bytes(self._buffer[:end]).lower()
        self._status = head[9:12].decode()
        place = head.find(_LENGTH)
        if place < 0:
            raise ValueError(f"an answer without Content-Length: {head.decode()}")
        length = head[place + len(_LENGTH) :].split(b"\r\n", 1)[0]
        self._wanted = end + len(_HEAD_END) + int(length)
        return True

    def _send(self) -> None:
        request = self._tally.next()
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


def make_requests(url: str, bodies: Sequence[bytes], headers: Sequence[str] = ()) -> list[bytes]:
    """The bytes of a POST request of each body."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {path or '/'} HTTP/1.1", f"host: {parts.netloc}", *headers]
    head = "\r\n".join([*lines, "content-type: application/json"]).encode()
    return [head + b"\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body) for body in bodies]


async def run_load(
    url: str,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    count: int | None = None,
    skip: int = 0,
) -> Report:
    """Send requests in turn for some time, or until ``count`` of them were sent.

    Args:
        url: the server's address.
        requests: see :func:`make_requests`.
        connections: requests under way at once.
        seconds: how long.
        count: requests at most.
        skip: requests to begin after, so that a later run sends others.
    """
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    turn = islice(cycle(requests), skip % len(requests), None)
    tally = _Tally(turn, start + seconds, count)
    made = [
        await loop.create_connection(
            lambda: _Connection(tally), parts.hostname or "127.0.0.1", parts.port or 80
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    return _report(tally, time.perf_counter() - start)


def _report(tally: _Tally, seconds: float) -> Report:
    latencies = sorted(tally.latencies)
    if not latencies:
        return Report(seconds=seconds, statuses=dict(tally.statuses))

    def at(share: float) -> float:
        return round(latencies[min(len(latencies) - 1, int(share * len(latencies)))] * 1000, 3)

    return Report(
        requests=len(latencies),
        seconds=round(seconds, 3),
        rate=round(len(latencies) / seconds, 2),
        p50=at(0.5),
        p95=at(0.95),
        p99=at(0.99),
        longest=at(1.0),
        statuses=dict(tally.statuses),
    )


class _Nothing(asyncio.Protocol):
    """The least server there is: an answer to every piece of data, without a look at it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        self._transport.write(_NOTHING)


async def serve_nothing(port: int) -> None:
    """Answer ``{}`` to everything until the process is ended."""
    server = await asyncio.get_running_loop().create_server(_Nothing, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def find_ceiling(connections: int, seconds: float) -> Report:
    """What this program reaches against :func:`serve_nothing` in a process of its own."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--nothing", stdout=asyncio.subprocess.PIPE
    )
    try:
        port = await server.stdout.readline() if server.stdout else b""
        url = f"http://127.0.0.1:{int(port)}/"
        body = json.dumps({"designation": "x" * 80, "description": "x" * 300}).encode()
        requests = make_requests(url, [body])
        return await run_load(url, requests, connections=connections, seconds=seconds)
    finally:
        server.terminate()
        await server.wait()


def main() -> None:
    """Load a server, or find the ceiling."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", nargs="?", help="where to send POST requests")
    parser.add_argument("bodies", nargs="?", type=Path, help="file with one JSON body a line")
    parser.add_argument("--header", action="append", default=[], help="'name: value'")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--count", type=int, help="requests at most")
    parser.add_argument("--skip", type=int, default=0, help="bodies to begin after")
    parser.add_argument("--ceiling", action="store_true", help="load a bare socket instead")
    parser.add_argument("--nothing", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.nothing:
        uvloop.run(serve_nothing(0))
        return
    if arguments.ceiling:
        work = find_ceiling(arguments.connections, arguments.seconds)
    elif arguments.url and arguments.bodies:
        bodies = arguments.bodies.read_bytes().splitlines()
        work = run_load(
            arguments.url,
            make_requests(arguments.url, bodies, arguments.header),
            connections=arguments.connections,
            seconds=arguments.seconds,
            count=arguments.count,
            skip=arguments.skip,
        )
    else:
        parser.error("say a URL and a file of bodies, or --ceiling")
    print(json.dumps(asdict(uvloop.run(work))))


if __name__ == "__main__":
    main()
