"""Importing an old cache of ``<recording>_windows.npz`` files into a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.build.build_cache import BuildReport, OnProgress, build_split
from seizurekit.cache.build.fill import FilledRecording, UnitTask, thread_executor
from seizurekit.cache.build.plan import Plan, PlannedRecording, allocate
from seizurekit.cache.layout import CHUNK_SECONDS, FAILED, OK, STEP, UNLABELLED
from seizurekit.cache.npz.window_file import NpzError, Windowing, intervals, open_windows, undo_overlap
from seizurekit.errors import CacheError
from seizurekit.recordings.corpus import SPLITS, check_patients
from seizurekit.recordings.naming import parse_montage, parse_patient_and_session
from seizurekit.signal.chain import Chain
from seizurekit.storage.folder import Options
from seizurekit.storage.open import open_folder

STRIDE = 10.0
_SUFFIX = "_windows.npz"
_HEADER_THREADS = 8
_UNKNOWN = float("nan")


def import_npz(
    npz_dir: str | PathLike[str],
    cache_dir: str | PathLike[str],
    split: str | None = None,
    stride: float = STRIDE,
    workers: int = 1,
    storage_options: Options | None = None,
    on_progress: OnProgress | None = None,
) -> BuildReport:
    """Converts a folder of ``<recording>_windows.npz`` files into a store, or resumes an interrupted import.

    A file contains the windows, float [N, 19, T], of a recording that was preprocessed by the default chain, one every
    `stride` seconds, and their masks [N, T]; see `window_file` for the names of the arrays. Windows must be equal where
    they overlap; a file that breaks this rule or cannot be used is listed and has no windows. Each run of ones in a
    mask becomes a seizure labelled ``seiz``. A file has neither the samples after a recording's last window nor its
    sampling rate, means and standard deviations.

    Args:
        npz_dir: the files, in folders ``train``, ``dev`` and ``eval``, or those of one split.
        cache_dir: the store, a path or a URL.
        split: the split to import; if `npz_dir` has no such folders, the split that its files are.
        stride: from the start of a window to the start of the next, s.
        workers: number of threads, each with one recording in fixed point and two windows in memory.
        storage_options: options of an object store, see `open_cache`.
        on_progress: called after each recording, from one thread at a time.

    Raises:
        CacheError: no such files, or the store has other recordings, or another process is writing it.
        CorpusError: a patient in two splits.
        OSError: the store cannot be written; the same call resumes the import.
    """
    chain = Chain()
    hop = stride * chain.sampling_rate
    if not (hop >= 1 and hop == int(hop)):
        raise CacheError(f"stride is {stride:g} s, expected a whole number of samples of 1/{chain.sampling_rate} s")
    windowing = Windowing(chain.channels, chain.sampling_rate, int(hop), chain.clip)
    root = Path(npz_dir).absolute()
    splits, messages = _find_files(root, split)
    target = open_folder(cache_dir, storage_options)
    read = partial(_read, windowing)
    reports = []
    for name, files in splits.items():
        plan = _make_plan(root, name, files, chain, windowing)
        reports.append(build_split(plan, root, target, thread_executor(workers), on_progress, read))
    return BuildReport(tuple(reports), messages)


def _find_files(root: Path, split: str | None) -> tuple[dict[str, list[Path]], tuple[str, ...]]:
    """The files of each split in the order of their paths, and messages about them."""
    if not root.is_dir():
        problem = "is a file, expected a folder" if root.exists() else "no such folder"
        raise CacheError(f"{root}: {problem} of *{_SUFFIX} files")
    found = sorted(path for path in root.rglob(f"*{_SUFFIX}") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise CacheError(f"{root}: has no *{_SUFFIX} files")
    below = {name: [path for path in found if path.is_relative_to(root / name)] for name in SPLITS}
    splits = {name: files for name, files in below.items() if files}
    messages = []
    if not splits:
        name = root.name if root.name in SPLITS else split or "train"
        splits = {name: found}
        messages.append(f"no folder train, dev or eval in {root}: its recordings are one split, {name}")
    elif outside := len(found) - sum(map(len, splits.values())):
        messages.append(f"skipped {outside} files outside the folders {', '.join(splits)}")
    if split is not None and split not in splits:
        raise CacheError(f"{root}: has no split {split!r}, expected one of {', '.join(splits)}")
    check_patients({name: {_parse_path(root, name, path)[1] for path in files} for name, files in splits.items()})
    return {name: files for name, files in splits.items() if split in (None, name)}, tuple(messages)


def _parse_path(root: Path, split: str, path: Path) -> tuple[str, str, str, str]:
    """Stem, patient, session and montage of a file."""
    top = root / split
    folders = path.parent.relative_to(top if path.is_relative_to(top) else root).parts
    stem = path.name.removesuffix(_SUFFIX)
    return stem, *parse_patient_and_session(folders, stem), parse_montage(folders)


def _make_plan(root: Path, split: str, files: Sequence[Path], chain: Chain, windowing: Windowing) -> Plan:
    with ThreadPoolExecutor(_HEADER_THREADS) as pool:
        headers = list(pool.map(lambda path: _read_header(path, windowing), files))
    starts = allocate([samples for samples, _, _ in headers], CHUNK_SECONDS * chain.sampling_rate)
    name_counts = Counter(path.name for path in files)
    recordings = []
    for path, first_sample, (samples, status, reason) in zip(files, starts, headers, strict=True):
        stem, patient, session, montage = _parse_path(root, split, path)
        source = path.relative_to(root)
        recordings.append(
            PlannedRecording(
                id=stem if name_counts[path.name] == 1 else "-".join((*source.parent.parts, stem)),
                patient=patient,
                session=session,
                montage=montage,
                source=source.as_posix(),
                annotations="",
                bytes=path.stat().st_size,
                source_rate=_UNKNOWN,
                first_sample=first_sample,
                samples=samples,
                status=status,
                reason=reason,
            )
        )
    return Plan(split, chain, STEP, tuple(recordings))


def _read_header(path: Path, windowing: Windowing) -> tuple[int, str, str]:
    """Samples, status and reason of a recording."""
    try:
        file = open_windows(path, windowing)
    except (NpzError, OSError) as error:
        return 0, FAILED, str(error)
    seconds = file.length / windowing.sampling_rate
    # No failure: the old system wrote a file without windows for a recording shorter than a window.
    return file.samples, OK, "" if file.count else f"no windows, the recording was shorter than {seconds:g} s"


def _read(
    windowing: Windowing, task: UnitTask, index: int, planned: PlannedRecording
) -> tuple[FilledRecording, NDArray[np.int16] | None]:
    """Reads a recording, see `ReadRecording`."""
    path = task.root / planned.source
    unknown = tuple(_UNKNOWN for _ in task.chain.channels)
    try:
        file = open_windows(path, windowing)
        if file.samples != planned.samples:
            raise NpzError(f"{path}: the file has changed since the import started, and now has {file.count} windows")
        signal, mask, clipped = undo_overlap(file, task.step)
    except (NpzError, OSError) as error:
        return FilledRecording(index, FAILED, str(error), unknown, unknown, (), "", (), (), ()), None
    remarks = [f"imported from {path.name}"]
    if clipped:
        remarks.append(f"{clipped} samples clipped to ±{windowing.clip:g}")
    seizures = intervals(mask) if mask is not None else []
    rate = windowing.sampling_rate
    filled = FilledRecording(
        index=index,
        status=UNLABELLED if mask is None else OK,
        reason="no labels in the file" if mask is None else "",
        mean=unknown,
        std=unknown,
        interpolated=(),
        reference="",
        repairs=(),
        remarks=tuple(remarks),
        events=tuple((first / rate, end / rate, "seiz", 1.0) for first, end in seizures),
    )
    return filled, signal
