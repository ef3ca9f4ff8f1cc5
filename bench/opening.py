"""How long it takes to open a store of 10 000 recordings, and to draw the balanced set over its windows.

Example: ``python -m bench.opening``. The store has no signal: opening reads only the columns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

import seizurekit as sk
from bench.corpus import RATE
from bench.measure import this_machine
from seizurekit.cache.build.fill import Filled
from seizurekit.cache.build.plan import Plan, PlannedRecording, places
from seizurekit.cache.build.seal import seal
from seizurekit.cache.layout import CHUNK_SECONDS, OK, STEP
from seizurekit.loading.window_set import balanced_set
from seizurekit.signal.chain import Chain
from seizurekit.storage.open import open_folder

AIM_S = 0.3


def make_store(folder: Path, recordings: int) -> None:
    """A sealed split of so many recordings of 5 to 31 minutes, a third of them with seizures, without signal."""
    rng = np.random.default_rng(0)
    samples = (rng.uniform(5, 31, recordings) * 60 * RATE).astype(int).tolist()
    planned, filled = [], {}
    for i, (start, length) in enumerate(zip(places(samples, CHUNK_SECONDS * RATE), samples, strict=True)):
        name = f"{i // 12:08d}_s{i % 12:03d}_t000"
        source = f"train/{name[:8]}/s{i % 12:03d}_2012/01_tcp_ar/{name}.edf"
        planned.append(
            PlannedRecording(name, name[:8], f"s{i % 12:03d}", "01_tcp_ar", source, "", 1, 250.0, start, length, OK, "")
        )
        events = tuple((60.0 + 120 * k, 100.0 + 130 * k, "seiz", 1.0) for k in range(i % 3))
        values = tuple(rng.normal(size=19).tolist())
        filled[i] = Filled(i, OK, "", values, values, (), "AR", (), (), events)
    seal(Plan("train", Chain(), STEP, tuple(planned)), filled, open_folder(folder).at("train"))


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data", default="build/bench/opening")
    options = parser.parse_args()
    folder = Path(options.data) / str(options.recordings)
    if not (folder / "train" / "zarr.json").exists():
        make_store(folder, options.recordings)
    parts: dict[str, list[float]] = {"open": [], "windows": [], "balanced set": [], "all of it": []}
    for _ in range(options.rounds):
        times = [time.perf_counter()]
        cache = sk.open_cache(folder)
        times.append(time.perf_counter())
        windows = cache.windows()
        times.append(time.perf_counter())
        drawn = balanced_set(windows, seed=0)
        ratio = drawn.seizure_ratio
        times.append(time.perf_counter())
        for name, begin, end in zip(parts, (0, 1, 2, 0), (1, 2, 3, 3), strict=True):
            parts[name].append(times[end] - times[begin])
    write = sys.stdout.write
    write(f"{options.recordings} recordings, {len(windows)} windows, {len(drawn)} drawn, seizure ratio {ratio:.3f}\n")
    for name, seconds in parts.items():
        write(f"{name:14s} first {seconds[0]:.3f} s, median {statistics.median(seconds):.3f} s\n")
    write(f"aim: all of it <= {AIM_S} s\n{this_machine(('seizurekit', 'numpy', 'zarr'))}\n")


if __name__ == "__main__":
    main()
