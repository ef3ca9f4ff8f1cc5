"""A generated corpus in several layouts, for the benchmarks of loading and training."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.build.build_cache import build_split
from seizurekit.cache.build.fill import FilledRecording, UnitTask, thread_executor
from seizurekit.cache.build.plan import Plan, PlannedRecording, allocate
from seizurekit.cache.layout import CHUNK_SECONDS, OK, STEP
from seizurekit.cache.store import open_cache
from seizurekit.signal.chain import Chain
from seizurekit.signal.preprocess import quantize
from seizurekit.storage.open import open_folder

RATE = Chain().sampling_rate
MINUTES = 20
_VERSION = 2


@dataclass(frozen=True)
class Corpus:
    """One corpus in three layouts.

    Attributes:
        store: folder of the sealed store.
        memmap: folder of float32 files, one [19, sample] array per recording.
        npz: folder of NPZ files of overlapping windows, one per recording; may be missing.
        hours: length of all recordings.
    """

    store: Path
    memmap: Path
    npz: Path
    hours: float


def noise(seed: int, samples: int) -> NDArray[np.float32]:
    """Noise with the spectrum of preprocessed EEG, z-scored, float32 [19, sample]."""
    rng = np.random.default_rng(seed)
    frequency = np.fft.rfftfreq(samples, 1 / RATE)
    amplitude = np.where((frequency > 0.5) & (frequency < 120), 1 / np.maximum(frequency, 0.5) ** 0.9, 0)
    amplitude[np.abs(frequency - 60) < 1] = 0
    spectrum = rng.normal(size=(2, 19, len(frequency)))
    signal = np.fft.irfft((spectrum[0] + 1j * spectrum[1]) * amplitude, samples, axis=1)
    signal += rng.normal(scale=0.02 * signal.std(), size=signal.shape)
    z_scored: NDArray[np.float32] = np.clip(signal / signal.std(axis=1, keepdims=True), -10, 10).astype(np.float32)
    return z_scored


def _fill_with_noise(
    work: UnitTask, index: int, planned: PlannedRecording
) -> tuple[FilledRecording, NDArray[np.int16]]:
    start = planned.samples / RATE / 4 + 7.3 * (index % 50)
    events = ((start, start + 80.0, "seiz", 1.0),) if index % 2 == 0 else ()
    zeros = tuple(0.0 for _ in work.chain.channels)
    filled = FilledRecording(index, OK, "", zeros, zeros, (), "", (), (), events)
    return filled, quantize(noise(index, planned.samples), work.step)


def make_plan(hours: float) -> Plan:
    """Plan of a split of recordings of equal length: 20 minutes, or one shorter recording."""
    minutes = min(MINUTES, hours * 60)
    count = max(1, round(hours * 60 / minutes))
    samples = [round(minutes * 60 * RATE)] * count
    starts = allocate(samples, CHUNK_SECONDS * RATE)
    recordings = tuple(
        PlannedRecording(
            f"noise{i:05d}_s001_t000", f"noise{i:05d}", "s001", "", "", "", 0, 256.0, start, length, OK, ""
        )
        for i, (start, length) in enumerate(zip(starts, samples, strict=True))
    )
    return Plan("train", Chain(), STEP, recordings)


def make_corpus(root: Path, hours: float, *, with_npz: bool) -> Corpus:
    """Generates the corpus below `root`, or reuses the one of an earlier run; `with_npz`: with the NPZ files."""
    root = root / f"v{_VERSION}-{hours:g}h"
    corpus = Corpus(root / "store", root / "memmap", root / "npz", hours)
    build_split(make_plan(hours), root, open_folder(corpus.store), thread_executor(2), None, _fill_with_noise)
    cache = open_cache(corpus.store)
    if not corpus.memmap.exists():
        _write_files(corpus.memmap, lambda folder, i: cache.read(i).tofile(folder / f"{i}.f32"), len(cache.usable))
    if with_npz and not corpus.npz.exists():
        windows = cache.windows()

        def write(folder: Path, recording: int) -> None:
            x, y = windows.read(np.flatnonzero(windows.recording == recording))
            np.savez(folder / f"{recording}_windows.npz", windows=x, labels=y)

        _write_files(corpus.npz, write, len(cache.usable))
    return corpus


def _write_files(folder: Path, write: Callable[[Path, int], None], count: int) -> None:
    """Calls `write` for every index with a temporary folder, and renames that to `folder`."""
    temporary = folder.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for index in range(count):
        write(temporary, index)
    temporary.rename(folder)
