"""Timing of contenders in turn, and the table and the JSON that every benchmark prints."""

from __future__ import annotations

import datetime
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds of one contender, a number a round."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median, s."""
        return statistics.median(self.seconds)


def time_in_turn(
    contenders: Mapping[str, Callable[[], object]], rounds: int, before: Callable[[], object] | None = None
) -> dict[str, Timing]:
    """Times every contender once a round, each round beginning with another one, after an untimed call of each.

    Args:
        contenders: what to call, by name.
        rounds: timed calls of each.
        before: called untimed before every timed call, e.g. to bring a file into the page cache.
    """
    names = list(contenders)
    for name in names:
        contenders[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    collecting = gc.isenabled()
    try:
        for turn in range(rounds):
            shift = turn % len(names)
            for name in names[shift:] + names[:shift]:
                if before is not None:
                    before()
                gc.collect()
                gc.disable()
                start = time.perf_counter()
                result = contenders[name]()
                seconds[name].append(time.perf_counter() - start)
                del result
                if collecting:
                    gc.enable()
    finally:
        if collecting:
            gc.enable()
    return {name: Timing(name, tuple(values)) for name, values in seconds.items()}


@dataclass(frozen=True)
class Machine:
    """Where and when a benchmark ran."""

    cpu: str
    cores: int
    versions: dict[str, str]
    date: str

    def __str__(self) -> str:
        packages = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.cpu}, {self.cores} cores; {packages}; {self.date}"


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def this_machine(packages: Iterable[str]) -> Machine:
    """The machine at hand, with the versions of those of the packages that are installed."""
    versions = {"Python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Machine(_cpu_name(), _cores(), versions, datetime.date.today().isoformat())


@dataclass(frozen=True)
class Report:
    """What one benchmark found.

    Attributes:
        title: what was done, and on how much data.
        timings: the contenders', in the order of the table.
        ratios: figures to hold against the aims, by a name that says how they are formed.
        aims: what each ratio is to reach, in words.
        skipped: contenders that could not run, and why.
        parameters: what the benchmark was asked to do.
        machine: where it ran.
    """

    title: str
    timings: tuple[Timing, ...]
    ratios: dict[str, float]
    aims: dict[str, str]
    machine: Machine
    skipped: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        """All of it as one JSON object; times in seconds."""
        return json.dumps(
            {
                "title": self.title,
                "parameters": self.parameters,
                "seconds": {
                    timing.name: {"median": timing.median, "all": list(timing.seconds)} for timing in self.timings
                },
                "ratios": self.ratios,
                "aims": self.aims,
                "skipped": self.skipped,
                "machine": {
                    "cpu": self.machine.cpu,
                    "cores": self.machine.cores,
                    "versions": self.machine.versions,
                    "date": self.machine.date,
                },
            },
            indent=2,
        )

    def print(self, as_json: bool) -> None:
        """Writes the JSON object, or tables for people, to the standard output."""
        if as_json:
            sys.stdout.write(self.as_json() + "\n")
            return
        console = Console(highlight=False)
        console.print(_timing_table(self))
        if self.ratios:
            console.print(_ratio_table(self))
        for name, reason in self.skipped.items():
            console.print(f"skipped: {name} ({reason})")
        console.print(str(self.machine), soft_wrap=True)


def _timing_table(report: Report) -> Table:
    table = Table(title=report.title, title_justify="left", title_style="bold")
    table.add_column("contender")
    for heading in ("median ms", "fastest ms", "slowest ms"):
        table.add_column(heading, justify="right")
    for timing in report.timings:
        milliseconds = (timing.median, min(timing.seconds), max(timing.seconds))
        table.add_row(timing.name, *(f"{value * 1e3:.2f}" for value in milliseconds))
    return table


def _ratio_table(report: Report) -> Table:
    table = Table()
    table.add_column("ratio of medians")
    table.add_column("found", justify="right")
    table.add_column("aim", justify="right")
    for name, ratio in report.ratios.items():
        table.add_row(name, f"{ratio:.2f}", report.aims.get(name, ""))
    return table
