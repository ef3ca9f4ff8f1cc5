"""What the loaders are measured on: one generated corpus, laid out in every contender's way."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.build.build import build_planned
from seizurekit.cache.build.fill import Filled, Work, in_threads
from seizurekit.cache.build.plan import Plan, PlannedRecording, places
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
    """Folders of the one corpus: a store, float32 files, and the old NPZ files."""

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
    scored: NDArray[np.float32] = np.clip(signal / signal.std(axis=1, keepdims=True), -10, 10).astype(np.float32)
    return scored


def _read_noise(work: Work, index: int, planned: PlannedRecording) -> tuple[Filled, NDArray[np.int16]]:
    start = 300.0 + 7.3 * (index % 50)
    events = ((start, start + 80.0, "seiz", 1.0),) if index % 2 == 0 else ()
    nothing = tuple(0.0 for _ in work.chain.channels)
    filled = Filled(index, OK, "", nothing, nothing, (), "", (), (), events)
    return filled, quantize(noise(index, planned.samples), work.step)


def plan_of(hours: float, minutes: float = MINUTES) -> Plan:
    """A split of recordings of equal length."""
    count = max(1, round(hours * 60 / minutes))
    samples = [round(minutes * 60 * RATE)] * count
    starts = places(samples, CHUNK_SECONDS * RATE)
    recordings = tuple(
        PlannedRecording(
            f"noise{i:05d}_s001_t000", f"noise{i:05d}", "s001", "", "", "", 0, 256.0, start, length, OK, ""
        )
        for i, (start, length) in enumerate(zip(starts, samples, strict=True))
    )
    return Plan("train", Chain(), STEP, recordings)


def make_corpus(root: Path, hours: float, *, old: bool) -> Corpus:
    """Generates the corpus, or takes the one that an earlier run left; `old`: the NPZ files too."""
    root = root / f"v{_VERSION}-{hours:g}h"
    corpus = Corpus(root / "store", root / "memmap", root / "npz", hours)
    build_planned(plan_of(hours), root, open_folder(corpus.store), in_threads(2), None, _read_noise)
    cache = open_cache(corpus.store)
    if not corpus.memmap.exists():
        _written(corpus.memmap, lambda folder, i: cache.read(i).tofile(folder / f"{i}.f32"), len(cache.usable))
    if old and not corpus.npz.exists():
        windows = cache.windows()

        def write(folder: Path, number: int) -> None:
            x, y = windows.read(np.flatnonzero(windows.recording == number))
            np.savez(folder / f"{number}_windows.npz", windows=x, labels=y)

        _written(corpus.npz, write, len(cache.usable))
    return corpus


def _written(folder: Path, write: object, count: int) -> None:
    temporary = folder.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for number in range(count):
        write(temporary, number)  # type: ignore[operator]
    temporary.rename(folder)
