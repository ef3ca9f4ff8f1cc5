"""A folder served as an S3 bucket, to be read: enough of S3 for GET, with a delay before each answer.

moto's server is the better S3, but takes more of two cores for a batch than the loader that is measured. This one costs
some 0.2 ms a request, and runs in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

BUCKET = "bucket"
_RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-(\d*)\r\n", re.IGNORECASE)


@contextmanager
def served(folder: Path, latency_ms: float) -> Iterator[dict[str, str]]:
    """The variables by which clients find the bucket; its objects are the folder's files."""
    command = [sys.executable, __file__, str(folder), "--latency-ms", str(latency_ms)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None:
            raise RuntimeError("the server has no output to tell its port by")
        with process.stdout:
            port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError("the server did not start")
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": "us-east-1",
        }
    finally:
        process.terminate()
        process.wait()


class _Server:
    def __init__(self, folder: Path, latency_s: float) -> None:
        self._folder, self._latency = folder, latency_s

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(self._latency)
                writer.write(self._answer(head))
                await writer.drain()

    def _answer(self, head: bytes) -> bytes:
        method, target = head.split(b" ", 2)[:2]
        name = unquote(urlsplit(target.decode()).path).removeprefix(f"/{BUCKET}/")
        path = self._folder / name
        if method not in (b"GET", b"HEAD") or ".." in Path(name).parts or not path.is_file():
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        status = path.stat()
        first, last = 0, status.st_size - 1
        wanted = _RANGE.search(head)
        if wanted:
            first, last = int(wanted[1]), min(int(wanted[2] or last), last)
        lines = [
            "HTTP/1.1 206 Partial Content" if wanted else "HTTP/1.1 200 OK",
            f"Content-Length: {last + 1 - first}",
            f'ETag: "{status.st_size:x}-{status.st_mtime_ns:x}"',
            f"Last-Modified: {formatdate(status.st_mtime, usegmt=True)}",
            *([f"Content-Range: bytes {first}-{last}/{status.st_size}"] if wanted else []),
        ]
        body = b""
        if method == b"GET":
            with path.open("rb") as file:
                file.seek(first)
                body = file.read(last + 1 - first)
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def _run(options: argparse.Namespace) -> None:
    server = _Server(options.folder, options.latency_ms / 1000)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    async with listening:
        await listening.serve_forever()


def main() -> None:
    """Runs the server until it is ended; prints its port first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
