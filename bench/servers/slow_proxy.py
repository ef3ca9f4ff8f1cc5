"""An HTTP proxy that delays every request, and injects faults by a seeded choice; in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

COUNTS_PATH = "/__counts"
KINDS = ("500", "503", "cut", "short", "reset", "delay")
_REASON = {"500": "Internal Server Error", "503": "Slow Down"}


@dataclass(frozen=True)
class Faults:
    """What goes wrong, and how often.

    Attributes:
        share: of the requests that something is done to; 0 to 1.
        kinds: what, each as often as the others: ``500`` and ``503`` answer so; ``cut`` closes the connection within
            the body; ``short`` sends half of the range that was asked for (half of a whole object, sent as if it were
            all, nobody could tell); ``reset`` closes before an answer; ``delay`` answers late.
        delay_s: how late.
        seed: of the choice.
    """

    share: float = 0.0
    kinds: tuple[str, ...] = ("500", "503", "cut", "delay")
    delay_s: float = 5.0
    seed: int = 0


@dataclass
class Proxy:
    """A running proxy; `counts` asks it what it did."""

    port: int
    endpoint: str = field(init=False)

    def __post_init__(self) -> None:
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def counts(self) -> dict[str, int]:
        """Requests, bytes sent, and faults by kind so far."""
        with urllib.request.urlopen(self.endpoint + COUNTS_PATH, timeout=10) as answer:
            counts: dict[str, int] = json.load(answer)
        return counts


@contextmanager
def slow_proxy(upstream_port: int, latency_ms: float = 0.0, faults: Faults | None = None) -> Iterator[Proxy]:
    """Runs a proxy before a server on this machine.

    Args:
        upstream_port: the server's.
        latency_ms: by which every request is delayed.
        faults: what goes wrong; nothing by default.
    """
    faults = faults or Faults()
    command = [sys.executable, __file__, "--upstream", str(upstream_port), "--latency-ms", str(latency_ms)]
    command += ["--share", str(faults.share), "--kinds", ",".join(faults.kinds)]
    command += ["--delay-s", str(faults.delay_s), "--seed", str(faults.seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None:
            raise RuntimeError("the proxy has no output to tell its port by")
        with process.stdout:
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError("the proxy did not start")
            yield Proxy(int(port))
    finally:
        process.terminate()
        process.wait()


class _Server:
    def __init__(self, upstream: int, latency_s: float, faults: Faults) -> None:
        self._upstream, self._latency, self._faults = upstream, latency_s, faults
        self._random = random.Random(faults.seed)
        self._counts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, and one of ours to the server behind it."""
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            while request := await _message(reader):
                if request.first_line.split()[1].decode() == COUNTS_PATH:
                    body = json.dumps(self._counts).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                    await writer.drain()
                    continue
                if upstream is None:
                    upstream = await asyncio.open_connection("127.0.0.1", self._upstream, limit=2**24)
                if not await self._exchange(request, upstream, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            for each in (writer, upstream[1] if upstream else None):
                if each is not None:
                    each.close()

    async def _exchange(
        self,
        request: _Message,
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Passes a request on and its answer back; False where the connection is to be closed."""
        self._counts["requests"] += 1
        fault = self._random.choice(self._faults.kinds) if self._random.random() < self._faults.share else ""
        self._counts[fault] += bool(fault)
        await asyncio.sleep(self._latency + (self._faults.delay_s if fault == "delay" else 0))
        if fault == "reset":
            writer.transport.abort()
            return False
        if fault in _REASON:
            writer.write(f"HTTP/1.1 {fault} {_REASON[fault]}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return True
        upstream[1].write(request.raw)
        await upstream[1].drain()
        answer = await _message(upstream[0], is_answer=True, has_body=not request.first_line.startswith(b"HEAD"))
        if answer is None:
            return False
        self._counts["bytes"] += len(answer.body)
        if fault == "cut" and answer.body:
            writer.write(answer.raw[: len(answer.raw) - (len(answer.body) + 1) // 2])
            await writer.drain()
            writer.transport.abort() if self._random.random() < 0.5 else writer.close()
            return False
        writer.write(answer.halved() if fault == "short" and answer.is_part else answer.raw)
        await writer.drain()
        return not answer.closes


@dataclass(frozen=True)
class _Message:
    """A request or an answer, as it came."""

    head: bytes
    body: bytes
    closes: bool

    @property
    def raw(self) -> bytes:
        return self.head + self.body

    @property
    def first_line(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    @property
    def is_part(self) -> bool:
        """Whether it answers with a range."""
        return self.first_line.split()[1:2] == [b"206"]

    def halved(self) -> bytes:
        """With half of the body, and a length that says so."""
        half = self.body[: len(self.body) // 2]
        lines = self.head.split(b"\r\n")
        lines = [b"Content-Length: %d" % len(half) if x.lower().startswith(b"content-length:") else x for x in lines]
        return b"\r\n".join(lines) + half


async def _message(reader: asyncio.StreamReader, *, is_answer: bool = False, has_body: bool = True) -> _Message | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    fields = {
        name.strip().lower(): value.strip().lower()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    body = b""
    closes = fields.get(b"connection") == b"close" or head.startswith(b"HTTP/1.0")
    if has_body:
        if b"chunked" in fields.get(b"transfer-encoding", b""):
            body = await _chunked(reader)
        elif b"content-length" in fields:
            body = await reader.readexactly(int(fields[b"content-length"]))
        elif closes and is_answer:
            body = await reader.read()
    return _Message(head, body, closes)


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        parts += [line, await reader.readexactly(size + 2)]
        if not size:
            return b"".join(parts)


async def _run(options: argparse.Namespace) -> None:
    faults = Faults(options.share, tuple(options.kinds.split(",")), options.delay_s, options.seed)
    server = _Server(options.upstream, options.latency_ms / 1000, faults)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=2**24)
    print(listening.sockets[0].getsockname()[1], flush=True)
    async with listening:
        await listening.serve_forever()


def main() -> None:
    """Runs the proxy until it is ended; prints its port first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--share", type=float, default=0.0)
    parser.add_argument("--kinds", default="500")
    parser.add_argument("--delay-s", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
