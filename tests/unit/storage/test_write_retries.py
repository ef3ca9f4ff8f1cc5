"""Writing to an object store that fails now and then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from seizurekit.storage.folder import Folder
from seizurekit.storage.open import open_folder

FAILURES = ["500", "503", "reset"]


class FlakyBucket(ThreadingHTTPServer):
    """Takes an object after failing once in each way."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.failures = list(FAILURES)
        self.objects: dict[str, bytes] = {}


class _Handler(BaseHTTPRequestHandler):
    server: FlakyBucket
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        failure = self.server.failures.pop(0) if self.server.failures else ""
        if failure == "reset":
            self.close_connection = True
            return
        if not failure:
            self.server.objects[self.path] = content
        self.send_response(int(failure or 200))
        self.send_header("Content-Length", "0")
        self.send_header("ETag", '"1"')
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def bucket() -> Iterator[FlakyBucket]:
    with FlakyBucket() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(bucket: FlakyBucket) -> Folder:
    options = {
        "endpoint": f"http://127.0.0.1:{bucket.server_port}",
        "access_key_id": "a",
        "secret_access_key": "b",
        "region": "us-east-1",
    }
    return open_folder("s3://bucket/x", options)


def test_a_write_is_repeated_until_it_succeeds(bucket: FlakyBucket, folder: Folder) -> None:
    folder.write("name", b"content")
    assert bucket.failures == []
    assert bucket.objects == {"/bucket/x/name": b"content"}
