"""A local folder served as a read-only S3 bucket, with latency, limited bandwidth and faults, by its own process.

It answers GET, with ranges, HEAD and ListObjectsV2; that is enough for reading, at about 0.2 ms per request. Tests that
write to an object store use moto, which takes more CPU time for a batch than the loader.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "bucket"
FAULT_KINDS = ("500", "503", "cut", "short", "reset", "delay")
_COUNTS_PATH = "/__counts"
_RANGE = re.compile(rb"\r\nrange: *bytes=(\d*)-(\d*)\r\n", re.IGNORECASE)
_PARTIAL = "206 Partial Content"
_READ_ONLY = "405 Method Not Allowed"
_FAULT_STATUS = {"500": "500 Internal Server Error", "503": "503 Slow Down"}


@dataclass(frozen=True)
class Faults:
    """Faults to inject.

    Attributes:
        share: probability that a request has a fault, 0 to 1.
        kinds: equally frequent: ``500`` and ``503`` answer with that status; ``cut`` closes the connection within the
            body; ``short`` sends half of a requested range as if it were all of it (half of a whole object would go
            unnoticed); ``reset`` closes the connection without an answer; ``delay`` answers late.
        delay_s: delay of ``delay``.
        seed: of the random choices.
    """

    share: float = 0.0
    kinds: tuple[str, ...] = ("500", "503", "cut", "delay")
    delay_s: float = 5.0
    seed: int = 0


@dataclass(frozen=True)
class S3Server:
    """A running server."""

    port: int

    @property
    def endpoint(self) -> str:
        """URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that direct S3 clients to the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": "us-east-1",
        }

    def url(self, name: str) -> str:
        """S3 URL of a file or folder."""
        return f"s3://{BUCKET}/{name}"

    def counts(self) -> dict[str, int]:
        """Numbers of requests, of bytes sent, and of faults by kind."""
        with urllib.request.urlopen(self.endpoint + _COUNTS_PATH, timeout=10) as answer:
            counts: dict[str, int] = json.load(answer)
        return counts


@contextmanager
def serve_folder(
    folder: Path, latency_ms: float = 0.0, bandwidth_mb_s: float = 0.0, faults: Faults | None = None
) -> Iterator[S3Server]:
    """Serves the files of a folder as objects of one bucket while the block runs.

    Args:
        folder: its files are the objects; they are looked up for each request.
        latency_ms: delay of each answer.
        bandwidth_mb_s: rate that all answers share, in MB/s; 0 for no limit.
        faults: to inject; none by default.
    """
    command = [sys.executable, __file__, str(folder), "--latency-ms", str(latency_ms)]
    command += ["--bandwidth-mb-s", str(bandwidth_mb_s), "--faults", json.dumps(asdict(faults or Faults()))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            if not port:
                raise RuntimeError(f"the S3 server for {folder} did not start")
            yield S3Server(int(port))
        finally:
            process.terminate()


@contextmanager
def set_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables while the block runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@dataclass(frozen=True)
class _Answer:
    status: str
    body: bytes = b""
    headers: tuple[str, ...] = ()
    length: int | None = None
    """Content-Length if it is not that of `body`."""

    def to_bytes(self) -> bytes:
        length = len(self.body) if self.length is None else self.length
        lines = (f"HTTP/1.1 {self.status}", f"Content-Length: {length}", *self.headers)
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body

    def cut(self) -> _Answer:
        """The same header with half of the body."""
        return replace(self, body=self.body[: len(self.body) // 2], length=len(self.body))

    def shortened(self) -> _Answer:
        """Half of the body, with a header that matches it."""
        return replace(self, body=self.body[: len(self.body) // 2])


class _Server:
    def __init__(self, folder: Path, latency_s: float, bytes_per_s: float, faults: Faults) -> None:
        self._folder, self._latency_s, self._bytes_per_s, self._faults = folder, latency_s, bytes_per_s, faults
        self._random = random.Random(faults.seed)
        self._counts: Counter[str] = Counter()
        self._link_free_at = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection, until a client or a fault closes it."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while await self._respond(await reader.readuntil(b"\r\n\r\n"), writer):
                pass

    async def _respond(self, head: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; returns whether the connection stays open."""
        if head.split(b" ", 2)[1].decode() == _COUNTS_PATH:
            writer.write(_Answer("200 OK", json.dumps(self._counts).encode()).to_bytes())
            return True
        fault = self._draw_fault()
        await asyncio.sleep(self._latency_s + (self._faults.delay_s if fault == "delay" else 0.0))
        if fault == "reset":
            writer.transport.abort()
            return False
        answer = _Answer(_FAULT_STATUS[fault]) if fault in _FAULT_STATUS else self._answer(head)
        if fault == "short" and answer.status == _PARTIAL:
            answer = answer.shortened()
        is_cut = fault == "cut" and bool(answer.body)
        if is_cut:
            answer = answer.cut()
        await self._wait_for_link(len(answer.body))
        writer.write(answer.to_bytes())
        await writer.drain()
        if is_cut and self._random.random() < 0.5:
            writer.transport.abort()
        return not is_cut and answer.status != _READ_ONLY

    def _draw_fault(self) -> str:
        """Kind of the fault of the next request, or an empty string."""
        self._counts["requests"] += 1
        if self._random.random() >= self._faults.share:
            return ""
        fault = self._random.choice(self._faults.kinds)
        self._counts[fault] += 1
        return fault

    def _answer(self, head: bytes) -> _Answer:
        method, target = head.split(b" ", 2)[:2]
        if method not in (b"GET", b"HEAD"):
            return _Answer(_READ_ONLY)
        url = urlsplit(target.decode())
        name = unquote(url.path).removeprefix(f"/{BUCKET}").strip("/")
        answer = self._read(name, head) if name else self._list(parse_qs(url.query))
        if method == b"HEAD":
            return replace(answer, body=b"", length=len(answer.body))
        self._counts["bytes"] += len(answer.body)
        return answer

    def _read(self, name: str, head: bytes) -> _Answer:
        path = self._folder / name
        if ".." in Path(name).parts or not path.is_file():
            return _Answer("404 Not Found")
        status = path.stat()
        headers = (
            f'ETag: "{status.st_size:x}-{status.st_mtime_ns:x}"',
            f"Last-Modified: {formatdate(status.st_mtime, usegmt=True)}",
        )
        span = _RANGE.search(head)
        if span is None:
            return _Answer("200 OK", path.read_bytes(), headers)
        if span[1]:
            first, last = int(span[1]), min(int(span[2] or status.st_size), status.st_size - 1)
        else:  # the last bytes
            first, last = max(0, status.st_size - int(span[2])), status.st_size - 1
        with path.open("rb") as file:
            file.seek(first)
            body = file.read(last + 1 - first)
        return _Answer(_PARTIAL, body, (*headers, f"Content-Range: bytes {first}-{last}/{status.st_size}"))

    def _list(self, query: Mapping[str, list[str]]) -> _Answer:
        """ListObjectsV2, all objects in one page."""
        prefix, delimiter = (query.get(key, [""])[0] for key in ("prefix", "delimiter"))
        contents, folders = [], set()
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if not name.startswith(prefix) or not path.is_file():
                continue
            folder, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                folders.add(prefix + folder + delimiter)
            else:
                modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
                contents.append(
                    f"<Contents><Key>{escape(name)}</Key><Size>{path.stat().st_size}</Size>"
                    f"<LastModified>{modified}</LastModified></Contents>"
                )
        prefixes = [f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in sorted(folders)]
        inner = "".join(("<IsTruncated>false</IsTruncated>", *contents, *prefixes))
        return _Answer("200 OK", f"<ListBucketResult>{inner}</ListBucketResult>".encode())

    async def _wait_for_link(self, size: int) -> None:
        """Waits until the shared link has carried these bytes after those of earlier answers."""
        if self._bytes_per_s:
            now = asyncio.get_running_loop().time()
            self._link_free_at = max(self._link_free_at, now) + size / self._bytes_per_s
            await asyncio.sleep(self._link_free_at - now)


async def _run(options: argparse.Namespace) -> None:
    faults = Faults(**json.loads(options.faults))
    server = _Server(options.folder, options.latency_ms / 1e3, options.bandwidth_mb_s * 1e6, faults)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024)
    print(listener.sockets[0].getsockname()[1], flush=True)
    async with listener:
        await listener.serve_forever()


def main() -> None:
    """Runs the server until it is terminated; prints its port first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--bandwidth-mb-s", type=float, default=0.0)
    parser.add_argument("--faults", default="{}", help="fields of Faults as JSON")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
