"""Building a store: plan, fill, seal. A build that was interrupted resumes where it stopped."""

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
from seizurekit.cache.build.dask_executor import dask_executor
from seizurekit.cache.build.fill import (
    Executor,
    FilledRecording,
    ReadRecording,
    fill,
    read_edf,
    read_filled,
    thread_executor,
)
from seizurekit.cache.build.plan import Plan, PlannedRecording, differences, make_plan
from seizurekit.cache.build.seal import seal
from seizurekit.cache.layout import (
    BUILD_FOLDER,
    CHUNKS_PER_SHARD,
    FAILED,
    GROUP_FILE,
    PLAN_FILE,
    SHARDS,
    UNLABELLED,
)
from seizurekit.cache.lock import lock_split, remove_build_folder
from seizurekit.cache.manifest import Manifest, write_manifest
from seizurekit.cache.store import Cache, open_split
from seizurekit.errors import CacheError
from seizurekit.recordings.corpus import find_recordings
from seizurekit.signal.chain import Chain
from seizurekit.storage.folder import Folder, Options
from seizurekit.storage.local import LocalFolder
from seizurekit.storage.open import open_folder


@dataclass(frozen=True)
class BuildProgress:
    """Recordings and hours of signal of a split that are filled so far."""

    split: str
    recordings: int
    all_recordings: int
    hours: float
    all_hours: float


OnProgress = Callable[[BuildProgress], None]


@dataclass(frozen=True)
class SplitReport:
    """The result of building one split.

    Attributes:
        split: the split's name.
        manifest: counts of recordings, hours and windows.
        bytes: size of the split's files.
        seconds: duration of this run; 0 if nothing was done.
        was_complete: the split was already built, and nothing was done.
        failed: (id, reason) of the recordings that could not be read.
        unlabelled: ids of the recordings without annotations: they are stored, but have no windows.
        issues: (id, issues) of the recordings from malformed files.
    """

    split: str
    manifest: Manifest
    bytes: int
    seconds: float
    was_complete: bool
    failed: tuple[tuple[str, str], ...]
    unlabelled: tuple[str, ...]
    issues: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class BuildReport:
    """The result of a build: one report for each split, and messages about the corpus."""

    splits: tuple[SplitReport, ...]
    messages: tuple[str, ...]

    @property
    def failed_share(self) -> float:
        """Share of the recordings that could not be read, 0 to 1."""
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
    """Builds a store from a corpus, or resumes an interrupted build.

    Args:
        data_dir: the corpus, see `find_recordings`.
        cache_dir: the store, a path or the URL of an object store; each split becomes a folder in it.
        split: the split to build; default: all.
        workers: number of threads, each with one recording in memory; default: one for each CPU.
        limit_files: use only the first `limit_files` recordings of each split; default: all.
        executor: ``"local"``: threads of this process; ``"dask"``: the workers of a cluster, which must see the same
            `data_dir` and, unless it is an object store, the same `cache_dir`. The bytes are the same.
        chain: the preprocessing; default: `Chain()`.
        on_progress: called after each recording, from one thread at a time.
        scheduler: address of dask's scheduler, e.g. ``tcp://10.0.0.1:8786``.
        storage_options: options of an object store, see `open_cache`.

    Returns:
        The report. A recording that cannot be read does not stop the build: the report lists it, and it has no
        windows.

    Raises:
        CorpusError: no such folder, no recordings, or a patient in two splits.
        CacheError: the store has other recordings or another chain, or another build of it is running.
        OSError: the store cannot be written; the same call resumes the build.
    """
    if executor not in ("local", "dask"):
        raise ValueError(f"executor is {executor!r}, expected 'local' or 'dask'")
    if (executor == "dask") != (scheduler is not None):
        raise ValueError(f"scheduler is {scheduler!r} with executor {executor!r}: 'dask' needs one, 'local' takes none")
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}, expected at least 1")
    corpus = find_recordings(data_dir, split)
    if limit_files is not None:
        corpus = corpus.limit(limit_files)
    root = open_folder(cache_dir, storage_options)
    if isinstance(root, LocalFolder) and root.path.exists() and not root.path.is_dir():
        raise CacheError(f"{root.url}: is a file, expected a folder or a new name")
    if isinstance(root, LocalFolder) and scheduler is not None:
        root = LocalFolder(root.path.absolute())  # workers have another working directory
    execute = dask_executor(scheduler) if scheduler is not None else thread_executor(workers or os.cpu_count() or 1)
    plans = (make_plan(corpus, name, chain or Chain()) for name in corpus.splits)
    reports = tuple(build_split(plan, corpus.root.absolute(), root, execute, on_progress) for plan in plans)
    return BuildReport(reports, corpus.messages)


def build_split(
    plan: Plan,
    data: Path,
    root: Folder,
    execute: Executor,
    on_progress: OnProgress | None = None,
    read: ReadRecording = read_edf,
) -> SplitReport:
    """Builds one split by its plan, or resumes its build.

    Args:
        plan: the position of each recording.
        data: folder of the corpus.
        root: the store's folder.
        execute: runs the tasks.
        on_progress: called after each recording, from one thread at a time.
        read: reads a recording.
    """
    began = time.monotonic()
    folder = root.at(plan.split)
    if _is_sealed(folder):
        return _report(_open_same(root, plan), 0.0, was_complete=True)
    with lock_split(folder, "build"):
        # Another build may have filled it meanwhile, or have been killed between its seal and its manifest.
        is_filled = folder.size(GROUP_FILE) is not None
        if not is_filled:
            _start_or_resume(plan, folder)
            _clean(folder, plan)
            fill(plan, data, folder, execute, _ProgressCounter(plan, on_progress), read)
            _clean(folder, plan)  # workers that were killed leave files too
            seal(plan, _read_all_filled(plan, folder), folder)
        cache = _open_same(root, plan)
        _clean(folder, plan)
        write_manifest(cache)
        remove_build_folder(folder)
    return _report(cache, 0.0 if is_filled else time.monotonic() - began, was_complete=is_filled)


def _is_sealed(folder: Folder) -> bool:
    return folder.size(GROUP_FILE) is not None and folder.size(f"{BUILD_FOLDER}/{PLAN_FILE}") is None


def _read_all_filled(plan: Plan, folder: Folder) -> dict[int, FilledRecording]:
    filled = read_filled(plan, folder)
    missing = [unit.index for unit in plan.units() if not filled.keys() >= set(unit.recordings)]
    if missing:
        raise CacheError(
            f"{folder.url}/{BUILD_FOLDER}: the results of {len(missing)} units are missing (unit {missing[0]}, …): do "
            "the workers write to the same --cache-dir? Run the same command again to write them"
        )
    return filled


def _open_same(root: Folder, plan: Plan) -> Cache:
    cache = open_split(root, plan.split, plan.chain)
    ids = cache.recordings["id"].tolist()
    reasons = dict(zip(ids, cache.recordings["reason"].tolist(), strict=True))
    if cache.attributes.get("plan_hash") not in (plan.hash, plan.earlier_hash(reasons)):
        stored = set(ids)
        planned = {recording.id for recording in plan.recordings}
        raise CacheError(
            f"{cache.folder.url}: already contains a finished store of other recordings ({len(stored)} there, "
            f"{len(planned)} in the corpus, {len(stored & planned)} in both); use another --cache-dir, or delete the "
            "store"
        )
    return cache


def _start_or_resume(plan: Plan, folder: Folder) -> None:
    expected = plan.to_dict()
    name = f"{BUILD_FOLDER}/{PLAN_FILE}"
    content = folder.read_present([name]).get(name)
    if content is None:
        folder.write(name, json.dumps(expected).encode())
        return
    found = json.loads(content)
    for recording in found.get("recordings", []):
        recording["reason"] = ""  # unfinished builds from before 0.1.0 have the reasons
    if json.dumps(found, sort_keys=True) != json.dumps(expected, sort_keys=True):  # as text: an unknown rate is NaN
        difference = "; ".join(differences(found, expected)) or "its plan"
        raise CacheError(
            f"{folder.url}: an unfinished build differs in {difference}; "
            "use the same arguments or another --cache-dir, or delete the folder to start from scratch"
        )


def _clean(folder: Folder, plan: Plan) -> None:
    """Removes temporary files of killed processes; we hold the lock, so no other process is writing them."""
    if isinstance(folder, LocalFolder):
        remove_leftovers(folder.path)
    last = plan.samples // (plan.chunk * CHUNKS_PER_SHARD)
    for name in folder.at(SHARDS).files():
        if not name.isdigit() or int(name) > last:
            raise CacheError(f"{folder.url}/{SHARDS}/{name}: is not a shard of this store; move it to another folder")


class _ProgressCounter:
    """Counts filled recordings; called from several threads."""

    def __init__(self, plan: Plan, on_progress: OnProgress | None) -> None:
        self._split = plan.split
        self._hour = plan.chain.sampling_rate * 3600
        self._all_recordings = sum(recording.samples > 0 for recording in plan.recordings)
        self._all_samples = sum(recording.samples for recording in plan.recordings)
        self._recordings = 0
        self._samples = 0
        self._on_progress = on_progress
        self._lock = threading.Lock()

    def __call__(self, recording: PlannedRecording, filled: FilledRecording) -> None:
        with self._lock:
            self._recordings += 1
            self._samples += recording.samples
            if self._on_progress is not None:
                hours = self._samples / self._hour, self._all_samples / self._hour
                self._on_progress(BuildProgress(self._split, self._recordings, self._all_recordings, *hours))


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
        issues=tuple((str(name), str(issues)) for name, _, _, issues in rows if issues),
    )
