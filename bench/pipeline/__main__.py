"""From EDF files to training data: the sealed store of seizurekit against the pipeline that it replaces.

The old pipeline reads with MNE, resamples the whole recording by FFT, filters twice, z-scores, cuts overlapping
windows of 60 s every 10 s and writes them with `np.savez`. Both sides run on one thread, on generated files.

Example: ``python -m bench.pipeline`` or ``python -m bench.pipeline --rates 250 --json``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import seizurekit as sk
from bench.pipeline.corpus import write_corpus
from bench.pipeline.old import write_npz
from bench.report import Figure, Measurement, Report, add_output_options, medians, milliseconds, this_machine
from bench.timing import time_alternately

OURS, OLD = "seizurekit, 1 worker", "old pipeline, np.savez"
TARGETS = {250: "at least 15", 512: "at least 20"}
_PEAK_MEMORY_OF_A_BUILD = r"""
import re, sys, pathlib, zarr, scipy.signal, seizurekit as sk
status = pathlib.Path('/proc/self/status')
peak = lambda: int(re.search(r'VmHWM:\s*(\d+) kB', status.read_text())[1])
before = peak()
sk.build_cache(sys.argv[1], sys.argv[2], workers=1)
print(peak() - before)
"""


@dataclass(frozen=True)
class CaseResult:
    """Results at one sampling rate."""

    measurements: tuple[Measurement, ...]
    figures: tuple[Figure, ...]


def folder_bytes(folder: Path) -> int:
    """Total size of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def worst_snr(corpus: Path, store: Path) -> float:
    """Signal-to-noise ratio, dB, of the stored signal against the unquantized one, of the worst channel."""
    cache = sk.open_cache(store, "train")
    worst = np.inf
    for index, source in enumerate(cache.recordings["source"]):
        with sk.open_edf(corpus / str(source)) as edf:
            expected = sk.preprocess(edf).astype(float)
        noise = np.mean((cache.read(index) - expected) ** 2, axis=1)
        worst = min(worst, float(np.min(10 * np.log10(np.mean(expected**2, axis=1) / noise))))
    return worst


def build_peak_bytes(corpus: Path, store: Path) -> int:
    """Memory that a build adds to the peak of its process, after its modules are loaded."""
    command = [sys.executable, "-c", _PEAK_MEMORY_OF_A_BUILD, str(corpus), str(store)]
    return 1024 * int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def run(rate: int, minutes: float, recordings: int, rounds: int, folder: Path) -> CaseResult:
    """Builds one corpus of `recordings` files with both pipelines, alternately."""
    corpus = folder / f"edf{rate}"
    files = write_corpus(corpus, rate, minutes, recordings)
    store, windows = folder / "store", folder / "npz"

    def clear() -> None:
        shutil.rmtree(store, ignore_errors=True)
        shutil.rmtree(windows, ignore_errors=True)
        os.sync()  # neither side waits for what the other has yet to write

    def build_store() -> None:
        sk.build_cache(corpus, store, workers=1)

    def write_windows() -> None:
        windows.mkdir()
        for file in files:
            write_npz(file, windows)

    seconds = time_alternately({OURS: build_store, OLD: write_windows}, rounds, before=clear)
    clear()
    build_store()
    write_windows()
    case = f"{recordings} recordings of {minutes:g} min at {rate} Hz"
    median = medians(seconds)
    hours = recordings * minutes / 60
    signal_bytes = int(19 * minutes * 60 * 256 * 4)
    peak_ratio = build_peak_bytes(corpus, folder / "again") / signal_bytes
    figures = (
        Figure(case, "old pipeline / seizurekit", median[OLD] / median[OURS], target=TARGETS.get(rate, "")),
        Figure(case, "seizurekit, per hour of recording", median[OURS] / hours, "s"),
        Figure(case, "old pipeline, per hour of recording", median[OLD] / hours, "s"),
        Figure(case, "size of the store, per hour of recording", folder_bytes(store) / 1e6 / hours, "MB", "at most 25"),
        Figure(case, "size of the old files, per hour of recording", folder_bytes(windows) / 1e6 / hours, "MB"),
        Figure(case, "signal-to-noise ratio of the store", worst_snr(corpus, store), "dB", "at least 60"),
        Figure(case, "peak memory / one recording in float32", peak_ratio, target="below 3"),
    )
    return CaseResult(milliseconds(case, seconds), figures)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.pipeline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", type=int, nargs="+", default=[250, 512], help="Hz")
    parser.add_argument("--minutes", type=float, default=30.0, help="length of a recording")
    parser.add_argument("--recordings", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    add_output_options(parser)
    options = parser.parse_args(arguments)
    if min(options.rates) < 250 or options.minutes < 2 or options.recordings < 1 or options.rounds < 1:
        parser.error("expected rates of at least 250 Hz, at least 2 minutes, 1 recording and 1 round")
    results = []
    for rate in options.rates:
        with tempfile.TemporaryDirectory() as folder:
            results.append(run(rate, options.minutes, options.recordings, options.rounds, Path(folder)))
    Report(
        name="pipeline",
        title="EDF to store",
        measurements=tuple(each for result in results for each in result.measurements),
        figures=tuple(each for result in results for each in result.figures),
        machine=this_machine(["seizurekit", "numpy", "scipy", "mne", "zarr", "numcodecs"]),
        parameters={name: getattr(options, name) for name in ("rates", "minutes", "recordings", "rounds")},
    ).write(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
