"""Local folders and object stores behave in the same way."""

from __future__ import annotations

import http.server
import os
import pickle
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seizurekit.errors import StorageError
from seizurekit.storage.folder import Folder, Span
from seizurekit.storage.open import open_folder


@pytest.fixture(params=["local", "s3", "file"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "local":
        return open_folder(tmp_path)
    if request.param == "file":
        return open_folder(f"file://{tmp_path}")
    s3: Callable[[str], str] = request.getfixturevalue("s3")
    return open_folder(s3(f"folders/{uuid.uuid4()}"))


def test_files_are_written_read_and_listed_with_their_sizes(folder: Folder) -> None:
    folder.write("a/b", b"hello")
    folder.at("a").write("c", b"")
    assert folder.read("a/b") == b"hello"
    assert folder.files() == {"a/b": 5, "a/c": 0}
    assert folder.folders() == ["a"]
    assert folder.size("a/b") == 5
    folder.write("a/b", b"other")
    assert folder.read_all(["a/c", "a/b"]) == [b"", b"other"]


def test_a_missing_file_is_a_file_not_found_error_that_names_it(folder: Folder) -> None:
    for request in (
        lambda: folder.read("nothing"),
        lambda: folder.read_all(["nothing"]),
        lambda: folder.read_spans([Span("nothing", 0, 1)]),
    ):
        with pytest.raises(FileNotFoundError, match="nothing"):
            request()
    assert folder.size("nothing") is None
    assert folder.read_present(["nothing"]) == {}
    assert folder.files() == {}
    assert folder.folders() == []
    folder.remove("nothing")


def test_a_file_is_created_only_once(folder: Folder) -> None:
    assert folder.create("lock", b"1")
    assert not folder.create("lock", b"2")
    assert folder.read("lock") == b"1"
    folder.remove("lock")
    assert folder.create("lock", b"3")


def test_spans_are_returned_in_the_order_of_the_request(folder: Folder) -> None:
    folder.write("x", bytes(range(100)))
    folder.write("y", b"yyy")
    spans = [Span("x", 50, 60), Span("y", 1, 3), Span("x", 0, 2), Span("x", 55, 57)]
    found = [bytes(part) for part in folder.read_spans(spans)]
    assert found == [bytes(range(50, 60)), b"yy", b"\0\1", bytes([55, 56])]
    assert folder.read_spans([]) == []


def test_a_folder_can_be_pickled(folder: Folder) -> None:
    folder.write("x", b"1")
    assert pickle.loads(pickle.dumps(folder)).read("x") == b"1"


def test_a_folder_can_be_read_inside_a_running_event_loop(folder: Folder) -> None:
    import asyncio

    folder.write("x", b"1")

    async def in_a_notebook() -> bytes:
        return folder.read("x")

    assert asyncio.run(in_a_notebook()) == b"1"


def test_an_unknown_scheme_or_option_is_named() -> None:
    with pytest.raises(StorageError, match=r"ftp://: unknown scheme, expected s3"):
        open_folder("ftp://host/x")
    with pytest.raises(StorageError, match=r"s3://bucket: unknown option; the options are colour"):
        open_folder("s3://bucket", {"colour": "red"}).files()


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [("http://127.0.0.1:9", "connection refused"), ("http://host.invalid", "unknown host name")],
)
def test_an_unreachable_server_is_reported_with_the_reason(endpoint: str, reason: str) -> None:
    options = {"endpoint": endpoint, "access_key_id": "a", "secret_access_key": "b", "retry_config": {"max_retries": 0}}
    folder = open_folder("s3://bucket/x", options)
    for request in (folder.read, folder.size, lambda key: folder.write(key, b"")):
        with pytest.raises(StorageError, match=rf"s3://bucket/x/y: {reason}"):
            request("y")


def test_a_server_that_does_not_answer_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = {
            "endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "access_key_id": "a",
            "secret_access_key": "b",
            "retry_config": {"max_retries": 0},
            "client_options": {"timeout": "500ms"},
        }
        with pytest.raises(StorageError, match="no answer in time"):
            open_folder("s3://bucket/x", options).read("y")


@contextmanager
def answering(status: int, code: str) -> Iterator[dict[str, Any]]:
    """The options of a client of a server that gives every request the same answer."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>the signature was abcdef</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield {
            "endpoint": f"http://127.0.0.1:{server.server_port}",
            "access_key_id": "a",
            "secret_access_key": "b",
            "retry_config": {"max_retries": 0},
        }
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (403, "ExpiredToken", "access denied (ExpiredToken)"),
        (401, "Unauthorized", "credentials are missing or invalid (Unauthorized)"),
        (503, "SlowDown", "503 Service Unavailable (SlowDown)"),
        (400, "body", "400 Bad Request (body)"),
    ],
)
def test_an_error_of_the_server_is_reported_without_its_text(status: int, code: str, reason: str) -> None:
    with answering(status, code) as options, pytest.raises(StorageError) as error:
        open_folder("s3://bucket/x", options).read("y")
    assert str(error.value) == f"s3://bucket/x/y: {reason}"


def test_no_error_contains_a_credential(s3: Callable[[str], str]) -> None:
    options = {
        "access_key_id": "AKIASECRETNAME",
        "secret_access_key": "verysecret",
        "endpoint": "http://127.0.0.1:1",
        "retry_config": {"max_retries": 0},
    }
    folder = open_folder("s3://user:password@bucket/x?sig=signature", options)
    with pytest.raises(StorageError) as error:
        folder.read("y")
    shown = f"{error.value!r} {error.value} {folder!r} {error.value.__cause__}"
    for secret in ("AKIASECRETNAME", "verysecret", "password", "signature"):
        assert secret not in shown
    assert error.value.__suppress_context__


def test_a_process_forked_after_a_read_is_rejected_and_does_not_hang(s3: Callable[[str], str]) -> None:
    folder = open_folder(s3("forked"))
    folder.write("x", b"1")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            folder.read("x")
        except StorageError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        message = pipe.read().decode()
    os.waitpid(child, 0)
    assert "forked" in message
    assert "spawn" in message
    assert folder.read("x") == b"1"
