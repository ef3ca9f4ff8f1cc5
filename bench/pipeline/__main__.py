"""From EDF files to something to train on: seizurekit's sealed store against the pipeline it replaces.

The old pipeline reads with MNE, resamples the whole recording by FFT, filters twice, z-scores, cuts overlapping
windows of 60 s every 10 s and writes them with `np.savez`. Both sides run on one thread, on files made here.

Example: ``python -m bench.pipeline`` or ``python -m bench.pipeline --rates 250 --json``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import seizurekit as sk
from bench.measure import Report, this_machine, time_in_turn
from bench.pipeline.corpus import write_corpus
from bench.pipeline.old import to_npz

AIMS = {250: "at least 15", 512: "at least 20"}


def bytes_below(folder: Path) -> int:
    """Bytes of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def worst_snr(corpus: Path, store: Path) -> float:
    """Signal-to-noise ratio, dB, of the stored signal against the unquantized one; the worst channel's."""
    cache = sk.open_cache(store, "train")
    worst = np.inf
    for number, source in enumerate(cache.recordings["source"]):
        with sk.open_edf(corpus / str(source)) as edf:
            wanted = sk.preprocess(edf).astype(float)
        noise = np.mean((cache.read(number) - wanted) ** 2, axis=1)
        worst = min(worst, float(np.min(10 * np.log10(np.mean(wanted**2, axis=1) / noise))))
    return worst


def peak_ratio(corpus: Path, store: Path, signal_bytes: int) -> float:
    """Memory that a build adds to a process's peak, over one recording's float32 signal."""
    code = (
        "import re, sys, pathlib, zarr, scipy.signal, seizurekit as sk\n"
        "status = pathlib.Path('/proc/self/status')\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s*(\\d+) kB', status.read_text())[1])\n"
        "before = peak()\n"
        "sk.build_cache(sys.argv[1], sys.argv[2], workers=1)\n"
        "print(peak() - before)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(corpus), str(store)], capture_output=True, text=True, check=True
    )
    return int(result.stdout) * 1024 / signal_bytes


def run(rate: int, minutes: float, recordings: int, rounds: int, folder: Path) -> Report:
    """Builds one corpus of `recordings` files by both pipelines, in turn."""
    corpus = folder / f"edf{rate}"
    files = write_corpus(corpus, rate, minutes, recordings)
    store, windows = folder / "store", folder / "npz"

    def clear() -> None:
        # What one side left to be written to the disk is not for the other one to wait for.
        shutil.rmtree(store, ignore_errors=True)
        shutil.rmtree(windows, ignore_errors=True)
        os.sync()

    def ours() -> None:
        sk.build_cache(corpus, store, workers=1)

    def old() -> None:
        windows.mkdir()
        for file in files:
            to_npz(file, windows)

    contenders: dict[str, Callable[[], object]] = {"seizurekit, 1 worker": ours, "old pipeline, np.savez": old}
    timings = time_in_turn(contenders, rounds, before=clear)
    clear()
    ours()
    old()
    hours = recordings * minutes / 60
    signal_bytes = int(19 * minutes * 60 * 256 * 4)
    ratio = timings["old pipeline, np.savez"].median / timings["seizurekit, 1 worker"].median
    return Report(
        title=f"EDF to store, {recordings} recordings of {minutes:g} min at {rate} Hz",
        timings=tuple(timings.values()),
        ratios={
            f"old pipeline / seizurekit, {rate} Hz": ratio,
            "s a recording-hour, seizurekit": timings["seizurekit, 1 worker"].median / hours,
            "s a recording-hour, old pipeline": timings["old pipeline, np.savez"].median / hours,
            "MB a recording-hour, seizurekit": bytes_below(store) / 1e6 / hours,
            "MB a recording-hour, old pipeline": bytes_below(windows) / 1e6 / hours,
            "signal-to-noise of the store, dB": worst_snr(corpus, store),
            "peak memory / a recording's float32": peak_ratio(corpus, folder / "again", signal_bytes),
        },
        aims={
            f"old pipeline / seizurekit, {rate} Hz": AIMS.get(rate, ""),
            "MB a recording-hour, seizurekit": "at most 25",
            "signal-to-noise of the store, dB": "at least 60",
            "peak memory / a recording's float32": "below 3",
        },
        machine=this_machine(["seizurekit", "numpy", "scipy", "mne", "zarr", "numcodecs"]),
        parameters={"rate": rate, "minutes": minutes, "recordings": recordings, "rounds": rounds},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[250, 512], help="Hz")
    parser.add_argument("--minutes", type=float, default=30.0, help="a recording's length")
    parser.add_argument("--recordings", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if min(options.rates) < 250 or options.minutes < 2 or options.recordings < 1 or options.rounds < 1:
        parser.error("wanted rates of 250 Hz and more, 2 minutes and more, at least 1 recording and 1 round")
    for rate in options.rates:
        with tempfile.TemporaryDirectory() as folder:
            run(rate, options.minutes, options.recordings, options.rounds, Path(folder)).print(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
