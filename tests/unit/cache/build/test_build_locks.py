"""Locks of a split, locks of killed holders, and builds that a full disk or a lost server ended."""

from __future__ import annotations

import errno
import itertools
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import seizurekit as sk
from seizurekit.cache.build import seal
from seizurekit.cache.lock import LEASE_TIMEOUT_S, lock_split
from seizurekit.errors import CacheError, StorageError
from seizurekit.storage.folder import Folder
from seizurekit.storage.local import LocalFolder
from seizurekit.storage.open import open_folder

Files = Callable[[Path], dict[str, bytes]]


@pytest.fixture(params=["local", "s3"])
def split(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "local":
        return open_folder(tmp_path)
    s3: Callable[[str], str] = request.getfixturevalue("s3")
    return open_folder(s3("locked/train"))


def test_a_second_holder_is_rejected_and_the_first_is_named(split: Folder) -> None:
    with (
        lock_split(split, "build"),
        pytest.raises(CacheError, match=r"another build of this store is running: process \d+ on .*, since 20"),
        lock_split(split, "build"),
    ):
        pass
    with lock_split(split, "build"):
        pass


def test_the_lease_of_a_dead_holder_expires(s3: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seizurekit.cache.lock.LEASE_RENEWAL_S", 0.02)
    folder = open_folder(s3("expired/train"))
    holder = {"what": "build", "pid": 1, "host": "gone", "since": 0, "renewed": time.time() - LEASE_TIMEOUT_S / 2}
    folder.write(".build/lock", json.dumps(holder).encode())
    with pytest.raises(CacheError, match=r"process 1 on gone.*its lock expires in \d+ s"), lock_split(folder, "build"):
        pass
    folder.write(".build/lock", json.dumps(holder | {"renewed": time.time() - LEASE_TIMEOUT_S - 1}).encode())
    with lock_split(folder, "build"):
        pass
    assert folder.files() == {}


def test_a_lease_is_renewed(s3: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seizurekit.cache.lock.LEASE_RENEWAL_S", 0.02)
    folder = open_folder(s3("renewed/train"))
    with lock_split(folder, "build"):
        first = folder.read(".build/lock")
        deadline = time.monotonic() + 30
        while folder.read(".build/lock") == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert folder.read(".build/lock") != first
    assert folder.files() == {}


def test_a_lease_that_is_still_renewed_is_not_taken_over(
    s3: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seizurekit.cache.lock.LEASE_RENEWAL_S", 0.5)
    folder = open_folder(s3("skewed/train"))
    ended = threading.Event()

    def renew() -> None:
        beat = 0
        while not ended.wait(0.05):
            beat += 1
            folder.write(".build/lock", json.dumps({"pid": 7, "host": "slow-clock", "renewed": beat}).encode())

    folder.write(".build/lock", json.dumps({"pid": 7, "host": "slow-clock", "renewed": 0}).encode())
    holder = threading.Thread(target=renew)
    holder.start()
    try:
        with pytest.raises(CacheError, match="process 7 on slow-clock"), lock_split(folder, "build"):
            pass
    finally:
        ended.set()
        holder.join()
    assert list(folder.files()) == [".build/lock"]


def test_a_lease_that_was_taken_over_is_neither_renewed_nor_removed(
    s3: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seizurekit.cache.lock.LEASE_RENEWAL_S", 0.05)
    folder = open_folder(s3("stolen/train"))
    other = json.dumps({"token": "other", "renewed": time.time()}).encode()
    with lock_split(folder, "build"):
        while json.loads(folder.read(".build/lock"))["token"] != "other":
            folder.write(".build/lock", other)
            time.sleep(0.2)
    assert folder.read(".build/lock") == other


HOLD = """
import sys, time
from seizurekit.cache.lock import lock_split
from seizurekit.storage.open import open_folder
with lock_split(open_folder(sys.argv[1]), "build"):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_a_killed_process_is_free(small_corpus: Path, tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "dev")], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(CacheError, match=rf"process {holder.pid} on {socket.gethostname()}, since \d{{4}}-"):
            sk.build_cache(small_corpus, tmp_path, split="dev")
        holder.send_signal(signal.SIGKILL)
    assert (tmp_path / "dev" / ".build" / "lock").exists()
    sk.build_cache(small_corpus, tmp_path, split="dev")


def fail_after(writes: int, patched: pytest.MonkeyPatch) -> None:
    """Lets a number of files be written, and then fills the disk."""
    write, remaining = LocalFolder.write, [writes]

    def failing(self: LocalFolder, name: str, data: bytes) -> None:
        remaining[0] -= 1
        if remaining[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path / name))
        write(self, name, data)

    patched.setattr(LocalFolder, "write", failing)


@pytest.mark.slow
def test_a_write_that_fails_anywhere_is_named_and_the_same_call_finishes(
    small_corpus: Path, small_store: Path, tmp_path: Path, files_of: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(folder: Path, writes: int) -> bool:
        error = None
        with monkeypatch.context() as patched:
            fail_after(writes, patched)
            try:
                sk.build_cache(small_corpus, folder, split="dev")
            except OSError as caught:
                error = caught
        assert error is None or error.errno == errno.ENOSPC
        assert error is None or str(error.filename).startswith(str(folder / "dev"))
        return error is not None

    def finishes(folder: Path) -> bool:
        sk.build_cache(small_corpus, folder, split="dev")
        return files_of(folder / "dev") == files_of(small_store / "dev")

    encode, encoded = seal._table_files, dict[str, dict[str, bytes]]()

    def encode_once(group: str, *arguments: Any) -> dict[str, bytes]:
        if group not in encoded:
            encoded[group] = encode(group, *arguments)
        return encoded[group]

    monkeypatch.setattr(seal, "_table_files", encode_once)  # zarr takes most of the time
    filled = tmp_path / "filled"  # all shards are written, and a copy of it can be sealed without reading a recording
    for writes in (0, 1):
        assert fails(tmp_path / str(writes), writes)
        assert finishes(tmp_path / str(writes))
    assert fails(filled, 2)
    assert not (filled / "dev" / "zarr.json").exists()
    for writes in itertools.count():
        folder = shutil.copytree(filled, tmp_path / f"sealed-{writes}")
        has_failed = fails(folder, writes)
        assert finishes(folder)
        if not has_failed:
            break
    assert writes > 20


def limit_files_to(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.slow
def test_a_shard_that_does_not_fit_on_the_disk_is_one_line_and_the_build_resumes(
    small_corpus: Path, small_store: Path, tmp_path: Path, files_of: Files
) -> None:
    command = [sys.executable, "-m", "seizurekit", "build-cache", "--split", "dev"]
    command += ["--data-dir", str(small_corpus), "--cache-dir", str(tmp_path)]
    full = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: limit_files_to(200_000))
    assert full.returncode == 1
    assert full.stderr.splitlines()[-1] == f"seizurekit: error: {tmp_path / 'dev/signal/c/0/0'}: File too large"
    sk.build_cache(small_corpus, tmp_path, split="dev")  # as the same command does
    assert files_of(tmp_path / "dev") == files_of(small_store / "dev")


def test_a_build_killed_while_it_removed_its_files_is_complete(
    small_corpus: Path, small_store: Path, tmp_path: Path, files_of: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(folder: Folder) -> None:
        raise StorageError("stopped")

    with monkeypatch.context() as patched:
        patched.setattr("seizurekit.cache.build.build_cache.remove_build_folder", killed)
        with pytest.raises(StorageError, match="stopped"):
            sk.build_cache(small_corpus, tmp_path, split="dev")
    (tmp_path / "dev" / ".build" / "unit-000000.json").unlink()
    report = sk.build_cache(small_corpus, tmp_path, split="dev")
    assert report.splits[0].was_complete
    assert files_of(tmp_path / "dev") == files_of(small_store / "dev")


@pytest.mark.slow
def test_a_stopped_server_is_named_and_the_build_resumes(
    small_corpus: Path, small_store: Path, s3: Callable[[str], str], files_of: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    s3("unused")  # sets the variables of the credentials
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"endpoint": f"http://{host}:{port}", "retry_config": {"max_retries": 1}}
    boto3.client("s3", endpoint_url=options["endpoint"]).create_bucket(Bucket="mortal")

    def stop(progress: object) -> None:
        server.stop()

    with pytest.raises(StorageError, match=r"^s3://mortal/cache/dev/"):
        sk.build_cache(small_corpus, "s3://mortal/cache", "dev", on_progress=stop, storage_options=options)
    again = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    again.start()
    try:
        monkeypatch.setattr("seizurekit.cache.lock.LEASE_RENEWAL_S", 0.02)
        monkeypatch.setattr("seizurekit.cache.lock.LEASE_TIMEOUT_S", 0.0)
        sk.build_cache(small_corpus, "s3://mortal/cache", "dev", storage_options=options)
        folder = open_folder("s3://mortal/cache/dev", options)
        assert {name: folder.read(name) for name in folder.files()} == files_of(small_store / "dev")
    finally:
        again.stop()
