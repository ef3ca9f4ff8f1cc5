"""The report of a benchmark: one format for people, one JSON object and one CSV format for all benchmarks."""

from __future__ import annotations

import argparse
import csv
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

CSV_COLUMNS = (
    "name",
    "case",
    "contender",
    "metric",
    "unit",
    "p20",
    "p50",
    "p80",
    "device",
    "versions",
    "date",
)
_WIDTH = 250  # more than any table needs: a terminal may wrap lines, but no number is cut


@dataclass(frozen=True)
class Measurement:
    """Values of one metric of one contender.

    Attributes:
        case: what was measured: source, shape, mode, settings.
        contender: the implementation, or the part of a step, that was measured.
        unit: of the values.
        values: one per round or per call; at least one.
        metric: quantity that was measured.
    """

    case: str
    contender: str
    unit: str
    values: tuple[float, ...]
    metric: str = "time"

    def quantile(self, share: float) -> float:
        """Value that this share of the values does not exceed, linearly interpolated."""
        return float(np.quantile(self.values, share))

    @property
    def quantiles(self) -> dict[str, float]:
        """The 20th, 50th and 80th percentile."""
        return {f"p{percent}": self.quantile(percent / 100) for percent in (20, 50, 80)}


@dataclass(frozen=True)
class Figure:
    """One value derived from the measurements, with its target.

    Attributes:
        case: as in `Measurement`.
        name: how the value is formed, for example "MNE / seizurekit" for a ratio of medians.
        value: the figure.
        unit: of the value.
        target: the value to reach, in words; empty if there is none.
    """

    case: str
    name: str
    value: float
    unit: str = "ratio"
    target: str = ""


@dataclass(frozen=True)
class Machine:
    """Where and when a benchmark ran.

    Attributes:
        device: processor or GPU that was measured.
        cores: processor cores available to this process.
        versions: of Python and of the packages involved, and the Git revision of this checkout.
        date: ISO date.
    """

    device: str
    cores: int
    versions: dict[str, str]
    date: str

    def __str__(self) -> str:
        return f"{self.device}, {self.cores} cores; {self.package_versions}; {self.date}"

    @property
    def package_versions(self) -> str:
        """The versions as one phrase."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())


def this_machine(packages: Iterable[str], device: str = "") -> Machine:
    """Description of this machine, with the versions of those packages that are installed.

    Args:
        packages: names of distributions.
        device: what was measured; default: the processor.
    """
    versions = {"Python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if revision := git_revision(Path(__file__).parent):
        versions["revision"] = revision
    return Machine(device or cpu_name(), _core_count(), versions, datetime.date.today().isoformat())


def git_revision(folder: Path) -> str:
    """Short hash of the checkout's commit, with "-dirty" if files differ from it; empty outside a Git checkout."""
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return result.stdout.strip()


def cpu_name() -> str:
    """Name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _core_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Report:
    """Results of one benchmark.

    Attributes:
        name: of the benchmark, as in ``python -m bench.NAME``.
        title: what was measured, for people.
        measurements: in the order of the table. Measurements of one case and contender share a row: the first has
            columns for p20, p50 and p80, each further metric one column for its median.
        machine: where it ran.
        figures: values derived from the measurements, with their targets.
        skipped: contenders that could not run, and why.
        parameters: settings of this run.
    """

    name: str
    title: str
    measurements: tuple[Measurement, ...]
    machine: Machine
    figures: tuple[Figure, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        """The report as one JSON object."""
        return json.dumps(
            {
                "name": self.name,
                "title": self.title,
                "parameters": dict(self.parameters),
                "measurements": [asdict(each) | each.quantiles for each in self.measurements],
                "figures": [asdict(each) for each in self.figures],
                "skipped": dict(self.skipped),
                "machine": asdict(self.machine),
            },
            indent=2,
        )

    def append_csv(self, path: Path) -> None:
        """Appends a row per measurement and figure to a CSV file, after a header if the file is new.

        Raises:
            ValueError: the file has other columns.
        """
        header = ",".join(CSV_COLUMNS)
        is_new = not path.exists() or not path.stat().st_size
        if not is_new:
            with path.open() as file:
                found = file.readline().rstrip("\r\n")
            if found != header:
                raise ValueError(f"{path}: header is {found!r}, expected {header!r}; write to another file")
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(CSV_COLUMNS)
            writer.writerows(self._csv_rows())

    def _csv_rows(self) -> Iterable[tuple[object, ...]]:
        where = (self.machine.device, self.machine.package_versions, self.machine.date)
        for each in self.measurements:
            yield (self.name, each.case, each.contender, each.metric, each.unit, *each.quantiles.values(), *where)
        for figure in self.figures:
            yield (self.name, figure.case, figure.name, "figure", figure.unit, *[figure.value] * 3, *where)

    def write(self, options: argparse.Namespace) -> None:
        """Writes the report as the options of `add_output_options` ask: to standard output, and to a CSV file."""
        if options.json:
            sys.stdout.write(self.as_json() + "\n")
        else:
            self.print_tables()
        if options.csv:
            self.append_csv(Path(options.csv))

    def print_tables(self) -> None:
        """Prints a table per case, with its figures, and the machine."""
        console = Console(highlight=False, markup=False, width=_WIDTH)
        for case in dict.fromkeys(each.case for each in self.measurements):
            console.print(f"{self.title}: {case}" if case else self.title, style="bold", soft_wrap=True)
            console.print(_table([each for each in self.measurements if each.case == case]))
            for figure in self.figures:
                if figure.case == case:
                    console.print(_figure_line(figure), soft_wrap=True)
        for name, reason in self.skipped.items():
            console.print(f"skipped: {name} ({reason})", soft_wrap=True)
        console.print(str(self.machine), soft_wrap=True)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that every benchmark has: ``--json`` and ``--csv``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--csv", metavar="FILE", default="", help="also append one row per measurement to a CSV file")


def milliseconds(case: str, seconds: Mapping[str, tuple[float, ...]]) -> tuple[Measurement, ...]:
    """Measurements of times in seconds, by contender."""
    return tuple(
        Measurement(case, contender, "ms", tuple(1e3 * value for value in values))
        for contender, values in seconds.items()
    )


def speed_ups(case: str, seconds: Mapping[str, tuple[float, ...]], baseline: str) -> tuple[Measurement, ...]:
    """Measurements of how many times faster each contender is than the baseline, by medians; none without baseline."""
    median = medians(seconds)
    return tuple(
        Measurement(case, contender, "ratio", (median[baseline] / value,), f"speed-up over {baseline}")
        for contender, value in median.items()
        if baseline in median
    )


def medians(seconds: Mapping[str, tuple[float, ...]]) -> dict[str, float]:
    """The median of each contender's values."""
    return {contender: statistics.median(values) for contender, values in seconds.items()}


def _table(measurements: Sequence[Measurement]) -> Table:
    """A table of one case, a row per contender."""
    rows: dict[str, list[Measurement]] = {}
    for each in measurements:
        rows.setdefault(each.contender, []).append(each)
    further = list(dict.fromkeys((each.metric, each.unit) for row in rows.values() for each in row[1:]))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("contender")
    for heading in ("p20", "p50", "p80", "unit"):
        table.add_column(heading, justify="right")
    for metric, unit in further:
        table.add_column(metric if unit == "ratio" else f"{metric} {unit}", justify="right")
    for contender, (first, *others) in rows.items():
        medians = {(each.metric, each.unit): _number(each.quantile(0.5)) for each in others}
        cells = (contender, *map(_number, first.quantiles.values()), first.unit)
        table.add_row(*cells, *(medians.get(key, "") for key in further))
    return table


def _figure_line(figure: Figure) -> str:
    unit = "" if figure.unit == "ratio" else f" {figure.unit}"
    target = f", target: {figure.target}" if figure.target else ""
    return f"{figure.name}: {_number(figure.value)}{unit}{target}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
