"""The local S3 server: objects, lists, latency, bandwidth and faults."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import numpy as np
import obstore
import pytest
from bench.servers.s3 import FAULT_KINDS, Faults, serve_folder, set_environment
from obstore.store import S3Store

import seizurekit as sk
from seizurekit.errors import StorageError
from seizurekit.storage.folder import Span
from seizurekit.storage.open import open_folder

CONTENT = b"0123456789" * 100


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """A folder to serve."""
    (tmp_path / "x" / "a&b").mkdir(parents=True)
    (tmp_path / "x" / "name").write_bytes(CONTENT)
    (tmp_path / "x" / "a&b" / "empty").write_bytes(b"")
    (tmp_path / "xy").write_bytes(b"1")
    return tmp_path


def test_files_are_read_measured_and_listed_as_objects(bucket: Path) -> None:
    with serve_folder(bucket) as server, set_environment(server.environment):
        folder = open_folder(server.url("x"))
        assert folder.read("name") == CONTENT
        assert folder.size("name") == len(CONTENT)
        assert folder.size("missing") is None
        assert bytes(folder.read_spans([Span("name", 995, 1000)])[0]) == CONTENT[995:]
        last = obstore.get(S3Store("bucket"), "x/name", options={"range": {"suffix": 7}})
        assert bytes(last.bytes()) == CONTENT[-7:]
        assert folder.files() == {"a&b/empty": 0, "name": len(CONTENT)}
        assert folder.folders() == ["a&b"]
        assert open_folder(server.url("x/a&b")).read("empty") == b""
        assert open_folder(server.url("none")).files() == {}


def test_writes_are_rejected_and_nothing_outside_the_folder_is_read(bucket: Path) -> None:
    with serve_folder(bucket / "x") as server:
        for method, target, status in (
            ("PUT", "/bucket/new", 405),
            ("DELETE", "/bucket/name", 405),
            ("GET", "/bucket/../xy", 404),
            ("GET", "/bucket/missing", 404),
        ):
            request = urllib.request.Request(server.endpoint + target, method=method)
            with pytest.raises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(request, timeout=10)
            assert raised.value.code == status
            raised.value.close()
    assert (bucket / "x" / "name").exists()


def test_latency_delays_every_answer_and_bandwidth_is_shared(bucket: Path) -> None:
    with serve_folder(bucket, latency_ms=30, bandwidth_mb_s=0.01) as server, set_environment(server.environment):
        folder = open_folder(server.url("x"))
        start = time.monotonic()
        folder.read("a&b/empty")
        assert time.monotonic() - start >= 0.03
        start = time.monotonic()
        folder.read_all(["name", "name"])
        assert time.monotonic() - start >= 2 * len(CONTENT) / 0.01e6


@pytest.mark.slow
def test_every_kind_of_fault_is_injected_and_counted_and_reads_succeed(bucket: Path) -> None:
    faults = Faults(share=0.5, kinds=FAULT_KINDS, delay_s=0.01, seed=3)
    with serve_folder(bucket, faults=faults) as server:
        with set_environment(server.environment):
            quick = {"retry_config": {"backoff": {"init_backoff": timedelta(milliseconds=1)}}}
            folder = open_folder(server.url("x"), quick)
            for _ in range(60):
                assert bytes(folder.read_spans([Span("name", 1, 900)])[0]) == CONTENT[1:900]
        counts = server.counts()
    assert all(counts[kind] for kind in FAULT_KINDS), counts
    assert counts["requests"] > 100


def test_a_server_that_always_fails_is_an_error_after_all_retries(bucket: Path) -> None:
    options = {"retry_config": {"max_retries": 2}}
    with (
        serve_folder(bucket, faults=Faults(share=1.0, kinds=("503",))) as server,
        set_environment(server.environment),
        pytest.raises(StorageError, match="x/name: 503"),
    ):
        open_folder(server.url("x"), options).read("name")


def test_a_store_reads_as_from_disk(small_store: Path) -> None:
    local = sk.open_cache(small_store, split="dev")
    with serve_folder(small_store.parent) as server, set_environment(server.environment):
        remote = sk.open_cache(server.url(small_store.name), split="dev")
        assert remote.fingerprint == local.fingerprint
        for one, other in zip(
            local.windows(20.0, 10.0).read([0, 3]), remote.windows(20.0, 10.0).read([0, 3]), strict=True
        ):
            np.testing.assert_array_equal(one, other)
