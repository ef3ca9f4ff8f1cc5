"""EDF readers compared: some channels of one recording into float32.

Example: ``python -m bench.edf`` or ``python -m bench.edf --minutes 60 --json``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.edf.readers import READERS, Read, Reader, Samples, Task, read_plainly
from bench.report import Figure, Report, add_output_options, medians, milliseconds, this_machine
from bench.timing import time_alternately
from seizurekit.recordings.synthetic.edf_file import FileHeader, SignalHeader, encode_header

PLAIN = "plain file read"
TARGETS = {
    f"seizurekit, out= reused / {PLAIN}": "at most 3",
    "best other / seizurekit": "at least 3",
}
TOLERANCE = 0.01  # of a digital step, which is 1e-3 µV here; readers differ in where they round to float32


def write_file(path: Path, minutes: float, signals: int, rate: int, channels: int, seed: int = 0) -> Task:
    """Writes a file of random samples in data records of 1 s; returns the task of reading its first channels."""
    records = round(minutes * 60)
    headers = [
        SignalHeader(f"EEG {number}", rate, dimension="uV", physical_min="-3200", physical_max="3200")
        for number in range(1, signals + 1)
    ]
    main_header = FileHeader("X X X X", "Startdate 01-JAN-2020 X X X", "01.01.20", "00.00.00", plus=False)
    random = np.random.default_rng(seed)
    first = headers[0]
    limits = (first.digital_min, first.digital_max)
    with path.open("wb") as file:
        file.write(encode_header(main_header, headers, records))
        for _ in range(records):
            random.integers(*limits, (signals, rate), np.int16).astype("<i2").tofile(file)
    return Task(path, tuple(header.label for header in headers[:channels]), signals, rate, first.gain, first.offset)


def check_agreement(samples: Mapping[str, Samples], step: float) -> None:
    """Raises ValueError unless all readers return the same samples, to a small part of a digital step."""
    first_name, first = next(iter(samples.items()))
    for name, other in samples.items():
        if other.shape != first.shape:
            raise ValueError(f"{name}: shape of the samples is {other.shape}, expected {first.shape} as {first_name}")
        difference = float(np.max(np.abs(other - first), initial=0.0))
        if not difference <= TOLERANCE * step:
            raise ValueError(
                f"{name} and {first_name} differ by {difference:g}, expected at most {TOLERANCE} of a step {step:g}"
            )


def _read_all(reads: Mapping[str, Read], readers: Sequence[Reader]) -> dict[str, Samples]:
    units = {reader.name: reader.unit for reader in readers}
    return {name: np.array(read() * np.float32(units[name])) for name, read in reads.items()}


def ratios(median: Mapping[str, float], readers: Sequence[Reader]) -> dict[str, float]:
    """Time of seizurekit relative to the plain read, and of the fastest other reader relative to seizurekit."""
    fastest_other = min(median[reader.name] for reader in readers if not reader.is_ours)
    found = {}
    for reader in readers:
        if reader.is_ours:
            found[f"{reader.name} / {PLAIN}"] = median[reader.name] / median[PLAIN]
            found[f"best other / {reader.name}"] = fastest_other / median[reader.name]
    return found


def run(task: Task, rounds: int) -> Report:
    """Compares the results of the installed readers, then times them alternately, `rounds` calls of each."""
    readers = [reader for reader in READERS if reader.is_installed]
    reads = {reader.name: reader.prepare(task) for reader in readers}
    check_agreement(_read_all(reads, readers), task.gain)
    plain = read_plainly(task.path)
    contenders: dict[str, Callable[[], object]] = {PLAIN: plain, **reads}
    seconds = time_alternately(contenders, rounds, before=plain)
    megabytes = task.path.stat().st_size / 1e6
    case = f"{len(task.labels)} of {task.signals} channels, a file of {megabytes:.1f} MB, float32"
    return Report(
        name="edf",
        title="reading an EDF file",
        measurements=milliseconds(case, seconds),
        figures=tuple(
            Figure(case, name, value, target=TARGETS.get(name, ""))
            for name, value in ratios(medians(seconds), readers).items()
        ),
        machine=this_machine(["seizurekit", "numpy", "mne", "pyedflib", "edfio"]),
        skipped={reader.name: f"{reader.package} is not installed" for reader in READERS if not reader.is_installed},
        parameters={
            "channels": len(task.labels),
            "signals": task.signals,
            "rate": task.samples_per_record,
            "rounds": rounds,
        },
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.edf", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--signals", type=int, default=33, help="signals in the file")
    parser.add_argument("--rate", type=int, default=250, help="Hz")
    parser.add_argument("--channels", type=int, default=19, help="channels to read")
    parser.add_argument("--rounds", type=int, default=15)
    add_output_options(parser)
    options = parser.parse_args(arguments)
    if not 0 < options.channels <= options.signals:
        parser.error(f"--channels is {options.channels}, expected 1 to {options.signals}")
    if options.rate < 1 or options.rounds < 1 or options.minutes * 60 < 1:
        parser.error("expected at least 1 Hz, 1 round and 1 second")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generated.edf"
        task = write_file(path, options.minutes, options.signals, options.rate, options.channels)
        run(task, options.rounds).write(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
