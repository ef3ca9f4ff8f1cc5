"""Readers of EDF side by side: some channels of one recording into float32.

Example: ``python -m bench.edf`` or ``python -m bench.edf --minutes 60 --json``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.edf.readers import READERS, Read, Reader, Samples, Task, plain_read
from bench.measure import Report, Timing, this_machine, time_in_turn

PLAIN = "plain file read"
AIMS = {
    "seizurekit, out= reused / plain file read": "at most 3",
    "best other / seizurekit": "at least 3",
}
PHYSICAL_LIMITS = (-3200.0, 3200.0)
DIGITAL_LIMITS = (-32768, 32767)
TOLERANCE = 0.01  # of a digital step is 1e-3 µV here; readers differ in where they round to float32


def generate(path: Path, minutes: float, signals: int, rate: int, read: int, seed: int = 0) -> Task:
    """Writes a file of random samples in data records of 1 s; returns the task of reading its first `read` channels."""
    records = round(minutes * 60)
    fields = [("0", 8), ("X X X X", 80), ("Startdate 01-JAN-2020 X X X", 80), ("01.01.20", 8), ("00.00.00", 8)]
    fields += [(str(256 * (1 + signals)), 8), ("", 44), (str(records), 8), ("1", 8), (str(signals), 4)]
    labels = [f"EEG {number}" for number in range(1, signals + 1)]
    fields += [(label, 16) for label in labels]
    limits = (*(f"{limit:g}" for limit in PHYSICAL_LIMITS), *(str(limit) for limit in DIGITAL_LIMITS))
    each = [("", 80), ("uV", 8), *((limit, 8) for limit in limits), ("", 80), (str(rate), 8), ("", 32)]
    fields += [field for field in each for _ in range(signals)]
    random = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write("".join(text.ljust(width) for text, width in fields).encode("ascii"))
        for _ in range(records):
            random.integers(*DIGITAL_LIMITS, (signals, rate), np.int16).astype("<i2").tofile(file)
    return Task(path, tuple(labels[:read]), signals, rate, (*PHYSICAL_LIMITS, *DIGITAL_LIMITS))


def check_that_all_agree(samples: dict[str, Samples], step: float) -> None:
    """Raises ValueError unless all readers gave the same samples, to a small part of a digital step."""
    first_name, first = next(iter(samples.items()))
    for name, found in samples.items():
        if found.shape != first.shape:
            raise ValueError(f"{name} gives samples of shape {found.shape}, {first_name} of shape {first.shape}")
        difference = float(np.max(np.abs(found - first), initial=0.0))
        if not difference <= TOLERANCE * step:
            raise ValueError(
                f"{name} and {first_name} differ by {difference:g}, more than {TOLERANCE} of a step {step:g}"
            )


def _samples_of_all(reads: dict[str, Read], readers: Sequence[Reader]) -> dict[str, Samples]:
    units = {reader.name: reader.unit for reader in readers}
    return {name: np.array(read() * np.float32(units[name])) for name, read in reads.items()}


def ratios(timings: dict[str, Timing], readers: Sequence[Reader]) -> dict[str, float]:
    """The figures that the design sets aims for, from those of the timings that there are."""
    seconds = {name: timing.median for name, timing in timings.items()}
    others = {reader.name: seconds[reader.name] for reader in readers if not reader.is_ours}
    found = {}
    for reader in readers:
        if reader.is_ours:
            found[f"{reader.name} / {PLAIN}"] = seconds[reader.name] / seconds[PLAIN]
            found[f"best other / {reader.name}"] = min(others.values()) / seconds[reader.name]
    return found


def run(task: Task, rounds: int) -> Report:
    """Checks the readers that are installed against one another, and times them in turn, `rounds` calls of each."""
    readers = [reader for reader in READERS if reader.is_installed]
    skipped = {reader.name: f"{reader.package} is not installed" for reader in READERS if not reader.is_installed}
    reads = {reader.name: reader.prepare(task) for reader in readers}
    physical_min, physical_max, digital_min, digital_max = task.limits
    check_that_all_agree(_samples_of_all(reads, readers), (physical_max - physical_min) / (digital_max - digital_min))
    warm = plain_read(task.path)
    contenders: dict[str, Callable[[], object]] = {PLAIN: warm, **reads}
    timings = time_in_turn(contenders, rounds, before=warm)
    megabytes = task.path.stat().st_size / 1e6
    return Report(
        title=f"{len(task.labels)} of {task.signals} channels, a file of {megabytes:.1f} MB, float32",
        timings=tuple(timings.values()),
        ratios=ratios(timings, readers),
        aims=AIMS,
        machine=this_machine(["seizurekit", "numpy", "mne", "pyedflib", "edfio"]),
        skipped=skipped,
        parameters={
            "channels": len(task.labels),
            "signals": task.signals,
            "rate": task.samples_per_record,
            "rounds": rounds,
        },
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.edf", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--signals", type=int, default=33, help="signals in the file")
    parser.add_argument("--rate", type=int, default=250, help="Hz")
    parser.add_argument("--channels", type=int, default=19, help="channels read")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if (
        not 0 < options.channels <= options.signals
        or options.rate < 1
        or options.rounds < 1
        or options.minutes * 60 < 1
    ):
        parser.error("wanted at least one channel of those in the file, 1 Hz, 1 round and 1 second")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generated.edf"
        task = generate(path, options.minutes, options.signals, options.rate, options.channels)
        run(task, options.rounds).print(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
