"""Old caches, an NPZ file of overlapping windows for each recording, turned into a store."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from seizurekit.cache.build import BuildReport, OnProgress, build_planned
from seizurekit.cache.fill import Filled, Work, in_threads
from seizurekit.cache.layout import CHUNK_SECONDS, FAILED, OK, STEP
from seizurekit.cache.plan import Plan, PlannedRecording, places
from seizurekit.errors import CacheError
from seizurekit.recordings.corpus import check_patients
from seizurekit.signal.chain import Chain
from seizurekit.signal.preprocess import quantize
from seizurekit.storage.folder import Options, open_folder

SUFFIX = "_windows.npz"
WINDOWS = ("windows", "X", "x", "data")
"""Names by which the windows, [window, channel, sample], are looked for; the first that is there is taken."""
LABELS = ("labels", "y", "Y", "masks", "mask")
"""Names by which the masks, [window, sample], are looked for."""
STRIDE = 10.0
_SPLITS = ("train", "dev", "eval")
_SAME = 1e-5
"""Windows overlap in the same samples of one z-scored recording: what differs by more was not cut from one."""


@dataclass(frozen=True)
class _Shape:
    windows: str
    labels: str
    count: int
    length: int


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
    seconds, and masks [N, T]. Windows that overlap must agree where they do; a file in which they do not, or that
    cannot be read, is listed and gives no windows. Seizures are the runs of the masks, labelled ``seiz``.

    Args:
        npz_dir: the files, in folders ``train``, ``dev``, ``eval``, or without such folders.
        cache_dir: the store, a path or a URL.
        split: the one to import; for a folder without folders the split that it is.
        stride: seconds from one window's start to the next one's.
        workers: threads, each with one recording's windows in memory.
        storage_options: of an object store, see `open_cache`.
        on_progress: called after each recording.

    Raises:
        CacheError: no such files, a patient in two splits, or another store in `cache_dir`.
    """
    root = Path(npz_dir)
    found = {name: sorted((root / name).rglob(f"*{SUFFIX}")) for name in _SPLITS if (root / name).is_dir()}
    if not found:
        found = {split or "train": sorted(root.rglob(f"*{SUFFIX}"))}
    elif split is not None:
        found = {name: files for name, files in found.items() if name == split}
    found = {name: files for name, files in found.items() if files}
    if not found:
        raise CacheError(f"{root}: found no files *{SUFFIX}{f' of split {split}' if split else ''}, wanted some")
    check_patients({name: [_patient(path) for path in files] for name, files in found.items()})
    chain = Chain()
    hop = round(stride * chain.sampling_rate)
    if hop < 1:
        raise CacheError(f"stride: found {stride:g} s, wanted at least a sample")
    target = open_folder(cache_dir, storage_options)
    reports = []
    for name, files in found.items():
        plan = _plan(name, root, files, chain, hop)
        reports.append(build_planned(plan, root, target, in_threads(workers), on_progress, _Reader(hop)))
    return BuildReport(tuple(reports), ())


def _id(path: Path) -> str:
    return path.name.removesuffix(SUFFIX)


def _patient(path: Path) -> str:
    return _id(path).split("_")[0]


def _plan(split: str, root: Path, files: list[Path], chain: Chain, hop: int) -> Plan:
    shapes = [_shape_or_reason(path, len(chain.channels), hop) for path in files]
    samples = [0 if isinstance(shape, str) else (shape.count - 1) * hop + shape.length for shape in shapes]
    starts = places(samples, CHUNK_SECONDS * chain.sampling_rate)
    recordings = tuple(
        PlannedRecording(
            id=_id(path),
            patient=_patient(path),
            session=_id(path).partition("_")[2].partition("_")[0],
            montage="",
            source=path.relative_to(root).as_posix(),
            annotations=path.relative_to(root).as_posix(),
            bytes=path.stat().st_size,
            source_rate=0.0,  # not known
            first_sample=start,
            samples=count,
            status=FAILED if isinstance(shape, str) else OK,
            reason=shape if isinstance(shape, str) else "",
        )
        for path, shape, count, start in zip(files, shapes, samples, starts, strict=True)
    )
    return Plan(split, chain, STEP, recordings)


def _shape_or_reason(path: Path, channels: int, hop: int) -> _Shape | str:
    try:
        return _shape(path, channels, hop)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, CacheError) as error:
        return _told(path, error)


def _told(path: Path, error: Exception) -> str:
    told = str(error)
    return told if told.startswith(str(path)) else f"{path}: not an NPZ file that can be read: {told}"


def _shape(path: Path, channels: int, hop: int) -> _Shape:
    """The shapes of a file's arrays, from their headers alone."""
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        windows, labels = _first_of(path, names, WINDOWS, "windows"), _first_of(path, names, LABELS, "masks")
        shape, kind = _header(archive, windows)
        mask, _ = _header(archive, labels)
    if len(shape) != 3 or shape[1] != channels or shape[0] < 1 or kind.kind != "f":
        raise CacheError(f"{path}: {windows}: found {kind} {shape}, wanted floats [window, {channels}, sample]")
    if mask != (shape[0], shape[2]):
        raise CacheError(f"{path}: {labels}: found {mask}, wanted {(shape[0], shape[2])} [window, sample]")
    if shape[2] < hop:
        raise CacheError(f"{path}: {windows}: found {shape[2]} samples a window, wanted at least the stride's {hop}")
    return _Shape(windows, labels, shape[0], shape[2])


def _first_of(path: Path, names: list[str], known: tuple[str, ...], what: str) -> str:
    for name in known:
        if name in names:
            return name
    raise CacheError(f"{path}: found arrays {', '.join(names) or 'none'}, wanted the {what} as {', '.join(known)}")


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    with archive.open(f"{name}.npy") as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    return shape, dtype


@dataclass(frozen=True)
class _Reader:
    """Reads an NPZ file as `fill` wants a recording."""

    hop: int

    def __call__(self, work: Work, index: int, planned: PlannedRecording) -> tuple[Filled, NDArray[np.int16] | None]:
        path = work.root / planned.source
        unknown = tuple(float("nan") for _ in work.chain.channels)
        try:
            shape = _shape(path, len(work.chain.channels), self.hop)
            with np.load(path) as arrays:
                signal = joined(arrays[shape.windows], self.hop, path, shape.windows)
                mask = joined(arrays[shape.labels][:, None] != 0, self.hop, path, shape.labels)[0]
            if not np.isfinite(signal).all():
                raise CacheError(f"{path}: {shape.windows}: found values that are no numbers, wanted z-scored EEG")
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, CacheError) as error:
            return Filled(index, FAILED, _told(path, error), unknown, unknown, (), "", (), (), ()), None
        events = tuple((*bounds, "seiz", 1.0) for bounds in _runs(mask, work.chain.sampling_rate))
        filled = Filled(index, OK, "", unknown, unknown, (), "", (), (f"imported from {path.name}",), events)
        return filled, quantize(np.ascontiguousarray(signal, np.float32), work.step)


def joined(windows: NDArray[np.generic], hop: int, path: Path, name: str) -> NDArray[np.generic]:
    """Overlapping windows [window, channel, sample] as what they were cut from, [channel, sample].

    Raises:
        CacheError: two windows disagree where they overlap; names them.
    """
    count, channels, length = windows.shape
    whole = np.empty((channels, (count - 1) * hop + length), windows.dtype)
    whole[:, :length] = windows[0]
    for number in range(1, count):
        start = number * hop
        before, now = whole[:, start : start - hop + length], windows[number, :, : length - hop]
        # Compared as they are first: floats that are the same, NaN apart, need no arithmetic.
        if not np.array_equal(before, now):
            difference = np.abs(before.astype(np.float64) - now.astype(np.float64)).max()
            if not difference <= _SAME:
                raise CacheError(
                    f"{path}: {name}: found windows {number - 1} and {number} that differ by up to {difference:g} "
                    "where they overlap, wanted the same samples; is the stride right?"
                )
        whole[:, start - hop + length : start + length] = windows[number, :, length - hop :]
    return whole


def _runs(mask: NDArray[np.generic], rate: int) -> list[tuple[float, float]]:
    """Starts and stops, in seconds, of the stretches that are set."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(float(a) / rate, float(b) / rate) for a, b in zip(edges[::2], edges[1::2], strict=True)]
