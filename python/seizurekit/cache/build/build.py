"""Building a store: plan, fill, seal; a build that was killed goes on where it stopped."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

from seizurekit.atomic import remove_leftovers
from seizurekit.cache.build.cluster import on_cluster
from seizurekit.cache.build.fill import Executor, Filled, Reader, fill, in_threads, read_edf, read_filled
from seizurekit.cache.build.plan import Plan, PlannedRecording, differences, make_plan
from seizurekit.cache.build.seal import remove_build, seal
from seizurekit.cache.layout import (
    BUILD_FOLDER,
    CHUNKS_A_SHARD,
    FAILED,
    GROUP_FILE,
    PLAN_FILE,
    SHARDS,
    UNLABELLED,
)
from seizurekit.cache.lock import lock_split
from seizurekit.cache.manifest import Manifest, write_manifest
from seizurekit.cache.store import Cache, open_split
from seizurekit.errors import CacheError
from seizurekit.recordings.corpus import find_recordings
from seizurekit.signal.chain import Chain
from seizurekit.storage.folder import Folder, Options
from seizurekit.storage.local import LocalFolder
from seizurekit.storage.open import open_folder


@dataclass(frozen=True)
class Progress:
    """How far the filling of a split is, in hours of signal."""

    split: str
    recordings: int
    all_recordings: int
    hours: float
    all_hours: float


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class SplitReport:
    """What a build made of a split.

    Attributes:
        split: its name.
        manifest: recordings, hours and windows by kind.
        bytes: of the store's files.
        seconds: the build took; of this run alone.
        was_complete: the store stood already, and nothing was done.
        failed: (id, reason) of the recordings that could not be read.
        unlabelled: ids of recordings without annotations: stored, but without windows.
        mended: (id, repairs) of malformed files.
    """

    split: str
    manifest: Manifest
    bytes: int
    seconds: float
    was_complete: bool
    failed: tuple[tuple[str, str], ...]
    unlabelled: tuple[str, ...]
    mended: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class BuildReport:
    """What a build made of a corpus, split by split, and what there is to say about the corpus."""

    splits: tuple[SplitReport, ...]
    messages: tuple[str, ...]

    @property
    def failed_share(self) -> float:
        """The recordings that could not be read, of all; 0 to 1."""
        recordings = sum(split.manifest.recordings for split in self.splits)
        return sum(len(split.failed) for split in self.splits) / recordings if recordings else 0.0


def build_cache(
    data_dir: str | PathLike[str],
    cache_dir: str | PathLike[str],
    split: str | None = None,
    workers: int | None = None,
    limit_files: int | None = None,
    executor: Literal["local", "dask"] = "local",
    chain: Chain | None = None,
    on_progress: OnProgress | None = None,
    scheduler: str | None = None,
    storage_options: Options | None = None,
) -> BuildReport:
    """Builds a store from a corpus, or goes on building it.

    Args:
        data_dir: the corpus, see `find_recordings`.
        cache_dir: the store, a path or the URL of an object store; a folder is made in it for each split.
        split: the one to build; all of them by default.
        workers: threads, each with one recording in memory; as many as there are processors by default.
        limit_files: only the first so many recordings of each split.
        executor: ``"local"``: threads of this process; ``"dask"``: the workers of a cluster, which see the same
            `data_dir` and, unless it is an object store, the same `cache_dir`. The bytes are the same.
        chain: the preprocessing; DESIGN.md's by default.
        on_progress: called after each recording, from one thread at a time.
        scheduler: address of dask's scheduler, e.g. ``tcp://10.0.0.1:8786``.
        storage_options: of an object store, see `open_cache`.

    Returns:
        The report. A recording that cannot be read does not stop the build: it is listed there, and gives no windows.

    Raises:
        CorpusError: no such folder, no recordings, or a patient in two splits.
        CacheError: the store is of other recordings or another chain, or another build of it is running.
        OSError: the store cannot be written; the same call goes on where this one stopped.
    """
    if executor not in ("local", "dask"):
        raise ValueError(f"executor: found {executor!r}, wanted 'local' or 'dask'")
    if (executor == "dask") != (scheduler is not None):
        raise ValueError(
            f"scheduler: found {scheduler!r} with executor {executor!r}, wanted an address with 'dask' only"
        )
    if workers is not None and workers < 1:
        raise ValueError(f"workers: found {workers}, wanted at least 1")
    corpus = find_recordings(data_dir, split)
    if limit_files is not None:
        corpus = corpus.limit(limit_files)
    root = open_folder(cache_dir, storage_options)
    if isinstance(root, LocalFolder) and root.path.exists() and not root.path.is_dir():
        raise CacheError(f"{root.url}: found a file, wanted a folder or nothing")
    if isinstance(root, LocalFolder) and scheduler is not None:
        root = LocalFolder(root.path.absolute())  # workers have another working directory
    execute = on_cluster(scheduler) if scheduler is not None else in_threads(workers or os.cpu_count() or 1)
    plans = (make_plan(corpus, name, chain or Chain()) for name in corpus.splits)
    reports = tuple(build_planned(plan, corpus.root.absolute(), root, execute, on_progress) for plan in plans)
    return BuildReport(reports, corpus.messages)


def build_planned(
    plan: Plan,
    data: Path,
    root: Folder,
    execute: Executor,
    on_progress: OnProgress | None = None,
    read: Reader = read_edf,
) -> SplitReport:
    """Builds one split by its plan, or goes on building it.

    Args:
        plan: where everything goes.
        data: folder of the recordings' sources.
        root: the store's.
        execute: does the work.
        on_progress: called after each recording.
        read: gives a recording's signal.
    """
    began = time.monotonic()
    folder = root.at(plan.split)
    if _is_sealed(folder):
        return _report(_opened_if_same(root, plan), 0.0, was_complete=True)
    with lock_split(folder, "build"):
        is_filled = folder.size(GROUP_FILE) is not None  # by another, which ended just now or was killed right after
        if not is_filled:
            _resume_or_begin(plan, folder)
            _remove_leftovers(folder, plan)
            fill(plan, data, folder, execute, _Counter(plan, on_progress), read)
            _remove_leftovers(folder, plan)  # of workers that were killed
            seal(plan, _all_filled(plan, folder), folder)
        cache = _opened_if_same(root, plan)
        _remove_leftovers(folder, plan)  # of a build that was killed after it had filled the store
        write_manifest(cache)
        remove_build(folder)
    return _report(cache, 0.0 if is_filled else time.monotonic() - began, was_complete=is_filled)


def _is_sealed(folder: Folder) -> bool:
    return folder.size(GROUP_FILE) is not None and folder.size(f"{BUILD_FOLDER}/{PLAN_FILE}") is None


def _all_filled(plan: Plan, folder: Folder) -> dict[int, Filled]:
    filled = read_filled(plan, folder)
    missing = [unit.number for unit in plan.units() if not filled.keys() >= set(unit.recordings)]
    if missing:
        raise CacheError(
            f"{folder.url}/{BUILD_FOLDER}: found no results of {len(missing)} units ({missing[0]} …), wanted all: "
            "do the workers write to the same --cache-dir? The same command does these again"
        )
    return filled


def _opened_if_same(root: Folder, plan: Plan) -> Cache:
    cache = open_split(root, plan.split, plan.chain)
    if cache.attributes.get("plan_hash") != plan.hash:
        then = set(cache.recordings["id"].tolist())
        now = {recording.id for recording in plan.recordings}
        raise CacheError(
            f"{cache.folder.url}: found a finished store of other recordings ({len(then)} then, {len(now)} now, "
            f"{len(then & now)} of the same name); wanted another --cache-dir, or none: a finished store is not changed"
        )
    return cache


def _resume_or_begin(plan: Plan, folder: Folder) -> None:
    wanted = plan.to_dict()
    name = f"{BUILD_FOLDER}/{PLAN_FILE}"
    content = folder.read_present([name]).get(name)
    if content is None:
        folder.write(name, json.dumps(wanted).encode())
        return
    found = json.loads(content)
    if json.dumps(found, sort_keys=True) != json.dumps(wanted, sort_keys=True):  # a rate not known is NaN
        told = "; ".join(differences(found, wanted)) or "its plan"
        raise CacheError(
            f"{folder.url}: found an unfinished build that differs in {told}; "
            "wanted the same, or another --cache-dir; to begin anew, delete the folder"
        )


def _remove_leftovers(folder: Folder, plan: Plan) -> None:
    """Temporary files of a build that was killed; the lock is ours, so nobody is writing them."""
    if isinstance(folder, LocalFolder):
        remove_leftovers(folder.path)
    last = plan.samples // (plan.chunk * CHUNKS_A_SHARD)
    for name in folder.at(SHARDS).files():
        if not name.isdigit() or int(name) > last:
            place = f"{folder.url}/{SHARDS}/{name}"
            raise CacheError(f"{place}: found a file that is none of this store's shards, wanted nothing else there")


class _Counter:
    """Counts what is filled, from several threads."""

    def __init__(self, plan: Plan, on_progress: OnProgress | None) -> None:
        self._split = plan.split
        self._hour = plan.chain.sampling_rate * 3600
        self._all_recordings = sum(recording.samples > 0 for recording in plan.recordings)
        self._all_samples = sum(recording.samples for recording in plan.recordings)
        self._recordings = 0
        self._samples = 0
        self._on_progress = on_progress
        self._lock = threading.Lock()

    def __call__(self, recording: PlannedRecording, filled: Filled) -> None:
        with self._lock:
            self._recordings += 1
            self._samples += recording.samples
            if self._on_progress is not None:
                hours = self._samples / self._hour, self._all_samples / self._hour
                self._on_progress(Progress(self._split, self._recordings, self._all_recordings, *hours))


def _report(cache: Cache, seconds: float, *, was_complete: bool) -> SplitReport:
    columns = cache.recordings
    rows = list(zip(columns["id"], columns["status"], columns["reason"], columns["repairs"], strict=True))
    return SplitReport(
        split=cache.split,
        manifest=cache.manifest,
        bytes=sum(cache.folder.files().values()),
        seconds=seconds,
        was_complete=was_complete,
        failed=tuple((str(name), str(reason)) for name, status, reason, _ in rows if status == FAILED),
        unlabelled=tuple(str(name) for name, status, *_ in rows if status == UNLABELLED),
        mended=tuple((str(name), str(repairs)) for name, _, _, repairs in rows if repairs),
    )
