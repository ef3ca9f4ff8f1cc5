"""Locks of a split: who holds it, what a killed holder leaves, and builds that a full disk or a lost store ended."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import seizurekit as sk
from seizurekit.cache.lock import LAPSES_S, lock_split
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


def test_of_two_holders_one_works_and_the_other_says_who_it_is(split: Folder) -> None:
    with (
        lock_split(split, "build"),
        pytest.raises(CacheError, match=r"another build of this store is running: process \d+ on .*, since 20"),
        lock_split(split, "build"),
    ):
        pass
    with lock_split(split, "build"):
        pass


def test_the_lock_of_a_holder_that_is_gone_lapses(s3: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seizurekit.cache.lock.RENEWED_S", 0.02)
    folder = open_folder(s3("lapsed/train"))
    holder = {"what": "build", "pid": 1, "host": "gone", "since": 0, "renewed": time.time() - LAPSES_S / 2}
    folder.write(".build/lock", json.dumps(holder).encode())
    with pytest.raises(CacheError, match=r"process 1 on gone.*its lock lapses in \d+ s"), lock_split(folder, "build"):
        pass
    folder.write(".build/lock", json.dumps(holder | {"renewed": time.time() - LAPSES_S - 1}).encode())
    with lock_split(folder, "build"):
        pass
    assert folder.files() == {}


def test_the_renewal_keeps_a_lock(s3: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seizurekit.cache.lock.RENEWED_S", 0.02)
    folder = open_folder(s3("renewed/train"))
    with lock_split(folder, "build"):
        first = folder.read(".build/lock")
        deadline = time.monotonic() + 30
        while folder.read(".build/lock") == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert folder.read(".build/lock") != first
    assert folder.files() == {}


def test_a_lock_that_lapsed_by_our_clock_alone_is_not_taken(
    s3: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seizurekit.cache.lock.RENEWED_S", 0.5)
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


def test_a_lock_that_was_taken_over_is_neither_renewed_nor_removed(
    s3: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seizurekit.cache.lock.RENEWED_S", 0.05)
    folder = open_folder(s3("stolen/train"))
    other = json.dumps({"token": "other", "renewed": time.time()}).encode()
    with lock_split(folder, "build"):
        while json.loads(folder.read(".build/lock"))["token"] != "other":
            folder.write(".build/lock", other)
            time.sleep(0.2)
    assert folder.read(".build/lock") == other


HOLDS = """
import sys, time
from seizurekit.cache.lock import lock_split
from seizurekit.storage.open import open_folder
with lock_split(open_folder(sys.argv[1]), "build"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_a_killed_process_blocks_nobody(small_corpus: Path, tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path / "dev")], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(CacheError, match=rf"process {holder.pid} on {socket.gethostname()}, since \d{{4}}-"):
            sk.build_cache(small_corpus, tmp_path, split="dev")
        holder.send_signal(signal.SIGKILL)
    assert (tmp_path / "dev" / ".build" / "lock").exists()
    sk.build_cache(small_corpus, tmp_path, split="dev")


def test_a_write_that_fails_anywhere_is_named_and_the_same_call_finishes(
    small_corpus: Path, small_store: Path, tmp_path: Path, files_of: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = LocalFolder.write
    failed = 0
    done = False
    while not done:
        left = [failed]

        def failing(self: LocalFolder, name: str, data: bytes, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path / name))
            write(self, name, data)

        folder = tmp_path / str(failed)
        caught = None
        with monkeypatch.context() as patched:
            patched.setattr(LocalFolder, "write", failing)
            try:
                sk.build_cache(small_corpus, folder, split="dev")
            except OSError as error:
                caught = error
        assert caught is None or caught.errno == errno.ENOSPC
        assert caught is None or str(caught.filename).startswith(str(folder / "dev"))
        sk.build_cache(small_corpus, folder, split="dev")
        assert files_of(folder / "dev") == files_of(small_store / "dev")
        failed += 1
        done = caught is None
    assert failed > 20


def limit_files_to(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_shard_that_does_not_fit_is_one_line_and_the_same_command_finishes(
    small_corpus: Path, small_store: Path, tmp_path: Path, files_of: Files
) -> None:
    command = [sys.executable, "-m", "seizurekit", "build-cache", "--split", "dev"]
    command += ["--data-dir", str(small_corpus), "--cache-dir", str(tmp_path)]
    full = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: limit_files_to(200_000))
    assert full.returncode == 1
    assert full.stderr.splitlines()[-1] == f"seizurekit: error: {tmp_path / 'dev/signal/c/0/0'}: File too large"
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert files_of(tmp_path / "dev") == files_of(small_store / "dev")


def test_a_build_that_was_killed_while_it_cleaned_up_does_nothing_again(
    small_corpus: Path, small_store: Path, tmp_path: Path, files_of: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(folder: Folder) -> None:
        raise StorageError("stopped")

    with monkeypatch.context() as patched:
        patched.setattr("seizurekit.cache.build.build.remove_build", killed)
        with pytest.raises(StorageError, match="stopped"):
            sk.build_cache(small_corpus, tmp_path, split="dev")
    (tmp_path / "dev" / ".build" / "unit-000000.json").unlink()
    report = sk.build_cache(small_corpus, tmp_path, split="dev")
    assert report.splits[0].was_complete
    assert files_of(tmp_path / "dev") == files_of(small_store / "dev")


def test_a_server_that_is_gone_is_named_and_the_same_call_finishes(
    small_corpus: Path, small_store: Path, s3: Callable[[str], str], files_of: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    s3("unused")  # sets the variables that credentials come from
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"endpoint": f"http://{host}:{port}", "retry_config": {"max_retries": 1}}
    boto3.client("s3", endpoint_url=options["endpoint"]).create_bucket(Bucket="mortal")

    def end(progress: object) -> None:
        server.stop()

    with pytest.raises(StorageError, match=r"^s3://mortal/cache/dev/"):
        sk.build_cache(small_corpus, "s3://mortal/cache", "dev", on_progress=end, storage_options=options)
    again = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    again.start()
    try:
        monkeypatch.setattr("seizurekit.cache.lock.RENEWED_S", 0.02)
        monkeypatch.setattr("seizurekit.cache.lock.LAPSES_S", 0.0)
        sk.build_cache(small_corpus, "s3://mortal/cache", "dev", storage_options=options)
        folder = open_folder("s3://mortal/cache/dev", options)
        assert {name: folder.read(name) for name in folder.files()} == files_of(small_store / "dev")
    finally:
        again.stop()
