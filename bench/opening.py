"""Time to open a store of 10 000 recordings and to draw the balanced set over its windows.

Example: ``python -m bench.opening``. The store has no signal: opening reads only the columns.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import seizurekit as sk
from bench.corpus import RATE
from bench.report import Figure, Report, add_output_options, medians, milliseconds, this_machine
from seizurekit.cache.build.fill import FilledRecording
from seizurekit.cache.build.plan import Plan, PlannedRecording, allocate
from seizurekit.cache.build.seal import seal
from seizurekit.cache.layout import CHUNK_SECONDS, OK, STEP
from seizurekit.loading.window_set import balanced_set
from seizurekit.signal.chain import Chain
from seizurekit.storage.open import open_folder

TARGET = "at most 300"


def make_store(folder: Path, recordings: int) -> None:
    """Writes a sealed split of recordings of 5 to 31 minutes without signal; two thirds have seizures."""
    rng = np.random.default_rng(0)
    samples = (rng.uniform(5, 31, recordings) * 60 * RATE).astype(int).tolist()
    planned, filled = [], {}
    for i, (start, length) in enumerate(zip(allocate(samples, CHUNK_SECONDS * RATE), samples, strict=True)):
        name = f"{i // 12:08d}_s{i % 12:03d}_t000"
        source = f"train/{name[:8]}/s{i % 12:03d}_2012/01_tcp_ar/{name}.edf"
        planned.append(
            PlannedRecording(name, name[:8], f"s{i % 12:03d}", "01_tcp_ar", source, "", 1, 250.0, start, length, OK, "")
        )
        events = tuple((60.0 + 120 * k, 100.0 + 130 * k, "seiz", 1.0) for k in range(i % 3))
        values = tuple(rng.normal(size=19).tolist())
        filled[i] = FilledRecording(i, OK, "", values, values, (), "AR", (), (), events)
    seal(Plan("train", Chain(), STEP, tuple(planned)), filled, open_folder(folder).at("train"))


def run(folder: Path, recordings: int, rounds: int) -> Report:
    """Opens the store in `folder` `rounds` times and times each part."""
    parts: dict[str, list[float]] = {"open": [], "windows": [], "balanced set": [], "all of it": []}
    for _ in range(rounds):
        times = [time.perf_counter()]
        cache = sk.open_cache(folder)
        times.append(time.perf_counter())
        windows = cache.windows()
        times.append(time.perf_counter())
        drawn = balanced_set(windows, seed=0)
        ratio = drawn.seizure_ratio
        times.append(time.perf_counter())
        for name, start, stop in zip(parts, (0, 1, 2, 0), (1, 2, 3, 3), strict=True):
            parts[name].append(times[stop] - times[start])
    seconds = {name: tuple(values) for name, values in parts.items()}
    case = f"{recordings} recordings, {len(windows)} windows"
    return Report(
        name="opening",
        title="opening a store and drawing the balanced set",
        measurements=milliseconds(case, seconds),
        figures=(
            Figure(case, "all of it, first call", 1e3 * seconds["all of it"][0], "ms"),
            Figure(case, "all of it, median", 1e3 * medians(seconds)["all of it"], "ms", TARGET),
            Figure(case, "windows in the balanced set", len(drawn), "windows"),
            Figure(case, "seizure ratio of the balanced set", ratio),
        ),
        machine=this_machine(("seizurekit", "numpy", "zarr")),
        parameters={"recordings": recordings, "rounds": rounds},
    )


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.opening", description=__doc__)
    parser.add_argument("--recordings", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data", default="build/bench/opening", help="folder of the store")
    add_output_options(parser)
    options = parser.parse_args(arguments)
    folder = Path(options.data) / str(options.recordings)
    if not (folder / "train" / "zarr.json").exists():
        make_store(folder, options.recordings)
    run(folder, options.recordings, options.rounds).write(options)


if __name__ == "__main__":
    main()
