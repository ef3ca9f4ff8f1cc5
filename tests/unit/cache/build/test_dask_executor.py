"""Building on a dask cluster: the same bytes, and a lost worker costs only its current unit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import distributed
import pytest

import seizurekit as sk
from seizurekit.cache import layout
from seizurekit.cache.build.build_cache import build_split
from seizurekit.cache.build.dask_executor import dask_executor
from seizurekit.cache.build.fill import FilledRecording, ReadRecording, UnitTask, fill, read_edf
from seizurekit.cache.build.plan import PlannedRecording, make_plan
from seizurekit.errors import CacheError
from seizurekit.recordings.corpus import find_recordings
from seizurekit.storage.open import open_folder

Files = Callable[[Path], dict[str, bytes]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as running:
        yield running


@pytest.mark.slow
def test_a_cluster_writes_the_same_bytes_even_to_a_relative_path(
    small_corpus: Path,
    small_store: Path,
    tmp_path: Path,
    cluster: Any,
    files_of: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # the workers run in another folder
    seen: list[int] = []
    sk.build_cache(
        small_corpus,
        "cache",
        executor="dask",
        scheduler=cluster.scheduler_address,
        on_progress=lambda progress: seen.append(progress.recordings),
    )
    assert files_of(tmp_path / "cache") == files_of(small_store)
    assert max(seen) >= 3


@pytest.mark.slow
def test_a_cluster_fills_an_object_store(
    small_corpus: Path, small_store: Path, cluster: Any, s3: Callable[[str], str], files_of: Files
) -> None:
    url = s3("dask/cache")
    # The workers started before the variables were set: options are sent with the tasks.
    options = {
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
        "access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
    }
    sk.build_cache(small_corpus, url, executor="dask", scheduler=cluster.scheduler_address, storage_options=options)
    folder = open_folder(url)
    assert {name: folder.read(name) for name in folder.files()} == files_of(small_store)


def ignore(planned: PlannedRecording, filled: FilledRecording) -> None:
    """Called after each recording."""


def dying_once(marker: Path) -> ReadRecording:
    """Kills the worker that reads a unit's second recording, when half a shard is written; the first time only."""

    def read(task: UnitTask, index: int, planned: PlannedRecording) -> tuple[FilledRecording, Any]:
        if index == task.unit.recordings[1] and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return read_edf(task, index, planned)

    return read


def test_after_a_worker_is_killed_only_its_unit_is_written_again(
    small_corpus: Path, small_store: Path, tmp_path: Path, cluster: Any, files_of: Files
) -> None:
    corpus = find_recordings(small_corpus, "train")
    plan = make_plan(corpus, "train", sk.Chain())
    marker = tmp_path / "killed"
    build_split(
        plan,
        corpus.root,
        open_folder(tmp_path / "cache"),
        dask_executor(cluster.scheduler_address),
        read=dying_once(marker),
    )
    assert marker.exists()
    assert files_of(tmp_path / "cache" / "train") == files_of(small_store / "train")


def test_an_unknown_error_on_a_worker_names_the_unit(small_corpus: Path, tmp_path: Path, cluster: Any) -> None:
    def broken(task: UnitTask, index: int, planned: PlannedRecording) -> tuple[FilledRecording, Any]:
        raise ZeroDivisionError("as of another version")

    corpus = find_recordings(small_corpus, "dev")
    plan = make_plan(corpus, "dev", sk.Chain())
    with pytest.raises(CacheError, match=r"unit 0 \(.* to .*\): ZeroDivisionError: as of another version"):
        fill(
            plan,
            corpus.root,
            open_folder(tmp_path / "dev"),
            dask_executor(cluster.scheduler_address),
            ignore,
            broken,
        )


@pytest.mark.slow
def test_a_cluster_without_workers_is_named(
    small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seizurekit.cache.build.dask_executor.CONNECT_S", 1)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty,
        pytest.raises(CacheError, match="has no workers after 1 s"),
    ):
        sk.build_cache(small_corpus, tmp_path, "dev", executor="dask", scheduler=empty.scheduler_address)


def test_without_distributed_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(CacheError, match=r"executor dask: distributed is not installed: run pip install '\.\[dask\]'"):
        dask_executor("tcp://127.0.0.1:9")


def test_a_worker_without_the_corpus_is_named(small_corpus: Path, tmp_path: Path, cluster: Any) -> None:
    plan = make_plan(find_recordings(small_corpus, "dev"), "dev", sk.Chain())
    execute = dask_executor(cluster.scheduler_address)
    with pytest.raises(CacheError, match=r"worker .*: .*nowhere: no such folder; workers need the same --data-dir"):
        fill(plan, tmp_path / "nowhere", open_folder(tmp_path / "dev"), execute, ignore, read_edf)
    assert not (tmp_path / "dev" / layout.SHARDS).exists()


@pytest.mark.slow
def test_a_missing_scheduler_is_named(small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seizurekit.cache.build.dask_executor.CONNECT_S", 1)
    with pytest.raises(CacheError, match=r"scheduler tcp://127\.0\.0\.1:9: cannot be reached"):
        sk.build_cache(small_corpus, tmp_path / "cache", executor="dask", scheduler="tcp://127.0.0.1:9")
    with pytest.raises(ValueError, match="scheduler is None with executor 'dask'"):
        sk.build_cache(small_corpus, tmp_path / "cache", executor="dask")


SCHEDULER_AND_WORKER = """
import distributed, sys
with distributed.LocalCluster(n_workers=1, dashboard_address=":0", silence_logs=50) as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_a_lost_connection_to_the_scheduler_is_one_error(small_corpus: Path, tmp_path: Path) -> None:
    script = tmp_path / "cluster.py"
    body = "\n    ".join(SCHEDULER_AND_WORKER.strip().splitlines())
    script.write_text(f'if __name__ == "__main__":\n    {body}\n')
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        scheduler = other.pid

        def kill_scheduler(task: UnitTask, index: int, planned: PlannedRecording) -> tuple[FilledRecording, Any]:
            os.kill(scheduler, signal.SIGKILL)
            time.sleep(600)
            return read_edf(task, index, planned)

        address = other.stdout.readline().strip()
        corpus = find_recordings(small_corpus, "dev")
        plan = make_plan(corpus, "dev", sk.Chain())
        folder = open_folder(tmp_path / "dev")
        with pytest.raises(CacheError, match=r"scheduler tcp://.*: connection lost"):
            fill(plan, corpus.root, folder, dask_executor(address), ignore, kill_scheduler)
