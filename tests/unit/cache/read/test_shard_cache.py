"""The cache of whole shards on a local disk."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import seizurekit as sk
from seizurekit.cache.layout import shard_name
from seizurekit.cache.read.local_reader import LocalReader
from seizurekit.cache.read.remote_reader import RemoteReader
from seizurekit.cache.read.shard_cache import ShardCache
from seizurekit.cache.store import Cache
from seizurekit.errors import CacheError
from seizurekit.locks import exclusive_lock
from seizurekit.storage.open import open_folder


def cached(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.glob("*/*"))


def shard_cache_of(cache: Cache) -> ShardCache:
    assert isinstance(cache.reader, RemoteReader)
    assert cache.reader.shard_cache is not None
    return cache.reader.shard_cache


def test_the_second_read_is_local(remote_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = sk.open_cache(remote_store, local_dir=tmp_path / "shards")
    expected = cache.read(0)
    assert shard_cache_of(cache).wait(60)
    assert [name.rpartition("/")[2] for name in cached(tmp_path / "shards")] == ["0"]
    again = sk.open_cache(remote_store, local_dir=tmp_path / "shards")
    reader = again.reader
    monkeypatch.setattr(type(again.folder), "read_spans", None)
    monkeypatch.setattr(type(again.folder), "read", None)
    np.testing.assert_array_equal(again.read(0), expected)
    assert isinstance(reader, RemoteReader)
    assert threading.active_count() == 1 or "shard cache" not in {t.name for t in threading.enumerate()}


def test_with_a_limit_smaller_than_a_shard_nothing_is_cached(
    remote_store: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = sk.open_cache(remote_store, local_dir=tmp_path / "shards", local_dir_gb=1e-6)
    with caplog.at_level(logging.WARNING):
        cache.read(0)
        assert shard_cache_of(cache).wait(60)
        cache.read(1)
    assert cached(tmp_path / "shards") == []
    assert [r.message for r in caplog.records if "the limit is 1e-06 GB" in r.message]


def test_a_folder_with_other_files_is_rejected_and_not_touched(remote_store: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("the only copy")
    with pytest.raises(CacheError, match=r"contains thesis\.tex, expected an empty folder"):
        _ = sk.open_cache(remote_store, local_dir=tmp_path).reader
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.tex"]


def test_a_local_store_is_not_cached(small_store: Path, tmp_path: Path) -> None:
    cache = sk.open_cache(small_store, local_dir=tmp_path / "shards")
    cache.read(0)
    assert isinstance(cache.reader, LocalReader)
    assert not (tmp_path / "shards").exists()


def make(root: Path, remote_store: str, identity: str, limit: int) -> ShardCache:
    return ShardCache(root, open_folder(remote_store).at("train"), identity, (19, 2560), limit)


def test_shards_of_earlier_runs_make_room_and_used_ones_stay(remote_store: str, tmp_path: Path) -> None:
    size = open_folder(remote_store).at("train").size(shard_name(0))
    assert size is not None
    first = make(tmp_path, remote_store, "a", round(1.5 * size))
    first.request([0])
    assert first.wait(60)
    assert first.has_all([0])
    second = make(tmp_path, remote_store, "b", round(1.5 * size))
    first.has_all([0])  # used after the second was opened
    second.request([0])
    assert second.wait(60)
    assert not second.has_all([0])
    assert first.has_all([0])
    time.sleep(0.02)
    third = make(tmp_path, remote_store, "c", round(1.5 * size))
    third.request([0])
    assert third.wait(60)
    assert third.has_all([0])
    assert not first.has_all([0])


def test_no_more_shards_are_deleted_than_needed(remote_store: str, tmp_path: Path) -> None:
    size = open_folder(remote_store).at("train").size(shard_name(0))
    assert size is not None
    caches = []
    for identity in "abc":
        caches.append(make(tmp_path, remote_store, identity, round(2.5 * size)))
        caches[-1].request([0])
        assert caches[-1].wait(60)
        time.sleep(0.02)
    assert [cache.has_all([0]) for cache in caches] == [False, True, True]


def test_leftovers_of_a_killed_process_are_removed(remote_store: str, tmp_path: Path) -> None:
    folder = make(tmp_path, remote_store, "a", 10**12).folder.path
    for name in (".0.tmp", ".0.lock", ".seizurekit-0.01234567.tmp"):
        (folder / name).write_bytes(b"half")
    (tmp_path / ".lock").write_bytes(b"")
    cache = make(tmp_path, remote_store, "a", 10**12)
    assert cached(tmp_path) == [f"{folder.name}/.0.lock"]
    cache.request([0])
    assert cache.wait(60)
    assert cache.has_all([0])
    assert cached(tmp_path) == [f"{cache.folder.path.name}/0"]


def test_a_shard_that_another_process_fetches_is_skipped(remote_store: str, tmp_path: Path) -> None:
    cache = make(tmp_path, remote_store, "a", 10**12)
    with exclusive_lock(cache.folder.path / ".0.lock"):
        cache.request([0])
        assert cache.wait(60)
    assert not cache.has_all([0])


@pytest.mark.slow
def test_several_processes_share_a_cache(remote_store: str, tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np, seizurekit as sk;"
        "c = sk.open_cache(sys.argv[1], local_dir=sys.argv[2]);"
        "x = c.read(0); c.reader.shard_cache.wait(60); assert np.array_equal(c.read(0), x); print(float(x.sum()))"
    )
    command = [sys.executable, "-c", code, remote_store, str(tmp_path / "shards")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    sums = {process.communicate(timeout=120)[0] for process in processes}
    assert all(process.returncode == 0 for process in processes)
    assert len(sums) == 1
    assert [name.rpartition("/")[2] for name in cached(tmp_path / "shards")] == ["0"]
