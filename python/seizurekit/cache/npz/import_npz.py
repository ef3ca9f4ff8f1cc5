"""Importing a cache of ``<stem>_windows.npz`` files, one a recording, into a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.build.build import BuildReport, OnProgress, build_planned
from seizurekit.cache.build.fill import Filled, Work, in_threads
from seizurekit.cache.build.plan import Plan, PlannedRecording, places
from seizurekit.cache.layout import CHUNK_SECONDS, FAILED, OK, STEP, UNLABELLED
from seizurekit.cache.npz.npz_windows import NpzError, Windowing, open_windows, runs, undo_overlap
from seizurekit.errors import CacheError
from seizurekit.recordings.corpus import SPLITS, check_patients
from seizurekit.recordings.naming import parse_montage, parse_patient_and_session
from seizurekit.signal.chain import Chain
from seizurekit.storage.folder import Options
from seizurekit.storage.open import open_folder

STRIDE = 10.0
_SUFFIX = "_windows.npz"
_HEADER_THREADS = 8
_NOT_KNOWN = float("nan")


def import_npz(
    npz_dir: str | PathLike[str],
    cache_dir: str | PathLike[str],
    split: str | None = None,
    stride: float = STRIDE,
    workers: int = 1,
    storage_options: Options | None = None,
    on_progress: OnProgress | None = None,
) -> BuildReport:
    """Turns a folder of ``<recording>_windows.npz`` files into a store, or goes on doing so.

    A file holds windows float [N, 19, T] of a recording that was preprocessed by the default chain, one every `stride`
    seconds, and masks [N, T]; see `npz_windows` for their names. Windows must be equal where they overlap; a file in
    which they are not, or that cannot be used, is listed and gives no windows. Seizures are the masks' runs, labelled
    ``seiz``. What came after a recording's last window is not in the file, nor are its rate, means and deviations.

    Args:
        npz_dir: the files, in folders ``train``, ``dev``, ``eval``, or of one split.
        cache_dir: the store, a path or a URL.
        split: the one to import; for a folder without such folders the split that it is.
        stride: seconds from one window's start to the next one's.
        workers: threads, each with one recording in fixed point and two windows in memory.
        storage_options: of an object store, see `open_cache`.
        on_progress: called after each recording.

    Raises:
        CacheError: no such files, or the store is of other files, or is being made by another process.
        CorpusError: a patient in two splits.
        OSError: the store cannot be written; the same call goes on where this one stopped.
    """
    chain = Chain()
    hop = stride * chain.sampling_rate
    if not (hop >= 1 and hop == int(hop)):
        raise CacheError(f"stride: found {stride:g} s, wanted a whole number of samples of 1/{chain.sampling_rate} s")
    windowing = Windowing(chain.channels, chain.sampling_rate, int(hop), chain.clip)
    root = Path(npz_dir).absolute()
    splits, messages = _find(root, split)
    target = open_folder(cache_dir, storage_options)
    read = partial(_read, windowing)
    reports = []
    for name, files in splits.items():
        plan = _plan(root, name, files, chain, windowing)
        reports.append(build_planned(plan, root, target, in_threads(workers), on_progress, read))
    return BuildReport(tuple(reports), messages)


def _find(root: Path, asked: str | None) -> tuple[dict[str, list[Path]], tuple[str, ...]]:
    """The files by split, each in the order of their paths; a patient's must be in one split."""
    if not root.is_dir():
        raise CacheError(
            f"{root}: found {'a file' if root.exists() else 'nothing'}, wanted a folder of *{_SUFFIX} files"
        )
    found = sorted(path for path in root.rglob(f"*{_SUFFIX}") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise CacheError(f"{root}: found no files *{_SUFFIX}, wanted some")
    below = {name: [path for path in found if path.is_relative_to(root / name)] for name in SPLITS}
    splits = {name: files for name, files in below.items() if files}
    messages = []
    if not splits:
        name = root.name if root.name in SPLITS else asked or "train"
        splits = {name: found}
        messages.append(f"no folder train, dev or eval in {root}: its recordings are one split, {name}")
    elif beside := len(found) - sum(map(len, splits.values())):
        messages.append(f"files beside the folders {', '.join(splits)} left out: {beside}")
    if asked is not None and asked not in splits:
        raise CacheError(f"{root}: found no split {asked!r}, wanted one of {', '.join(splits)}")
    check_patients({name: {_named(root, name, path)[1] for path in files} for name, files in splits.items()})
    return {name: files for name, files in splits.items() if asked in (None, name)}, tuple(messages)


def _named(root: Path, split: str, path: Path) -> tuple[str, str, str, str]:
    """Stem, patient, session and montage of a file."""
    top = root / split
    folders = path.parent.relative_to(top if path.is_relative_to(top) else root).parts
    stem = path.name.removesuffix(_SUFFIX)
    return stem, *parse_patient_and_session(folders, stem), parse_montage(folders)


def _plan(root: Path, split: str, files: Sequence[Path], chain: Chain, windowing: Windowing) -> Plan:
    with ThreadPoolExecutor(_HEADER_THREADS) as pool:
        headers = list(pool.map(lambda path: _header(path, windowing), files))
    starts = places([samples for samples, _, _ in headers], CHUNK_SECONDS * chain.sampling_rate)
    stems = Counter(path.name for path in files)
    recordings = []
    for path, first_sample, (samples, status, reason) in zip(files, starts, headers, strict=True):
        stem, patient, session, found_montage = _named(root, split, path)
        source = path.relative_to(root)
        recordings.append(
            PlannedRecording(
                id=stem if stems[path.name] == 1 else "-".join((*source.parent.parts, stem)),
                patient=patient,
                session=session,
                montage=found_montage,
                source=source.as_posix(),
                annotations="",
                bytes=path.stat().st_size,
                source_rate=_NOT_KNOWN,
                first_sample=first_sample,
                samples=samples,
                status=status,
                reason=reason,
            )
        )
    return Plan(split, chain, STEP, tuple(recordings))


def _header(path: Path, windowing: Windowing) -> tuple[int, str, str]:
    """Samples, status and reason."""
    try:
        file = open_windows(path, windowing)
    except (NpzError, OSError) as error:
        return 0, FAILED, str(error)
    seconds = file.length / windowing.sampling_rate
    # Read without fault: a recording shorter than a window has a file without windows.
    return file.samples, OK, "" if file.count else f"no windows, the recording was shorter than {seconds:g} s"


def _read(
    windowing: Windowing, work: Work, index: int, planned: PlannedRecording
) -> tuple[Filled, NDArray[np.int16] | None]:
    """A recording as `fill` wants it."""
    path = work.root / planned.source
    unknown = tuple(_NOT_KNOWN for _ in work.chain.channels)
    try:
        file = open_windows(path, windowing)
        if file.samples != planned.samples:
            raise NpzError(f"{path}: found {file.count} windows, wanted as many as when the import began")
        signal, mask, clipped = undo_overlap(file, work.step)
    except (NpzError, OSError) as error:
        return Filled(index, FAILED, str(error), unknown, unknown, (), "", (), (), ()), None
    rate = windowing.sampling_rate
    remarks = [f"imported from {path.name}"]
    if clipped:
        remarks.append(f"{clipped} samples clipped to ±{windowing.clip:g}")
    filled = Filled(
        index=index,
        status=UNLABELLED if mask is None else OK,
        reason="no labels in the file" if mask is None else "",
        mean=unknown,
        std=unknown,
        interpolated=(),
        reference="",
        repairs=(),
        remarks=tuple(remarks),
        events=tuple((first / rate, end / rate, "seiz", 1.0) for first, end in runs(mask)) if mask is not None else (),
    )
    return filled, signal
