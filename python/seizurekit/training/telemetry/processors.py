"""A warning if other programs occupy the CPUs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from seizurekit import settings

AFTER_S = 60.0
"""Seconds between two looks at the processors."""
AGAIN_S = 1800.0
"""Seconds between two lines."""
OTHERS = 0.5
"""Number of processors that other programs must occupy for a line."""
IDLE = 0.1
"""Idle fraction of the CPUs above which no process waits for one."""


@dataclass(frozen=True)
class Usage:
    """Seconds of processor time since the machine and this run started.

    Attributes:
        total: all seconds of the processors that this process may use.
        idle: seconds of these during which nothing ran.
        own: seconds used by this run, its workers and its other ranks on this machine.
    """

    total: float
    idle: float
    own: float


class ProcessorWatch:
    """Reports now and then that other programs occupy the CPUs that a run needs.

    Args:
        report: shows the line.
        read: returns the usage up to now.
        clock: returns seconds; must not go backwards.
    """

    def __init__(
        self,
        report: Callable[[str], None],
        read: Callable[[], Usage],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report, self._read, self._clock = report, read, clock
        self._began = clock()
        self._silent_until = self._began
        self._before: Usage | None = self._try_to_read()

    def check(self) -> None:
        """Looks at the processors if a minute is over; call it after each step."""
        now = self._clock()
        if self._before is None or now - self._began < AFTER_S:
            return
        usage, before, seconds = self._try_to_read(), self._before, now - self._began
        self._began, self._before = now, usage
        if usage is not None and now >= self._silent_until and (line := describe(before, usage, seconds)):
            self._silent_until = now + AGAIN_S
            self._report(line)

    def _try_to_read(self) -> Usage | None:
        try:
            return self._read()
        except (OSError, ValueError, IndexError):  # a system without Linux's /proc
            return None


def describe(before: Usage, after: Usage, seconds: float) -> str:
    """The line about the time between two readings, or an empty string if other programs are not in the way."""
    total = after.total - before.total
    if total <= 0:
        return ""
    idle, own = (after.idle - before.idle) / total, (after.own - before.own) / total
    others, processors = 1.0 - idle - own, round(total / seconds)
    if idle > IDLE or others * processors < OTHERS:
        return ""
    return (
        f"other programs used {100 * others:.0f} % of {cpus(processors)} in the last {seconds:.0f} s, this run "
        f"{100 * own:.0f} %; training is slower than on an idle machine"
    )


def cpus(count: int) -> str:
    """A number of CPUs in words."""
    return "1 CPU" if count == 1 else f"{count} CPUs"


def root_process() -> int:
    """The process whose descendants are all ranks of this run on this machine: torchrun's, or this process."""
    torchrun = settings.torchrun()
    return os.getppid() if torchrun is not None and torchrun.world > 1 else os.getpid()


def read_usage(root: int, proc: Path = Path("/proc")) -> Usage:
    """The usage up to now, of the processors that this process may use.

    Time that a hypervisor takes for other machines counts as that of other programs.

    Args:
        root: process that, with its descendants, is this run; see `root_process`.
        proc: Linux's folder of processes.

    Raises:
        OSError: there is no such folder.
    """
    tick = 1.0 / os.sysconf("SC_CLK_TCK")
    names = {f"cpu{processor}" for processor in os.sched_getaffinity(0)}
    rows = (line.split() for line in (proc / "stat").read_text().splitlines())
    times = [list(map(int, row[1:9])) for row in rows if row and row[0] in names]
    idle = sum(row[3] + row[4] for row in times)  # idle, and idle while a disk is read
    return Usage(tick * sum(map(sum, times)), tick * idle, tick * _ticks_of_tree(root, proc.glob("[0-9]*/stat")))


def _ticks_of_tree(root: int, files: Iterable[Path]) -> int:
    """Clock ticks used by a process and its descendants, including those that have ended."""
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for file in files:
        try:
            fields = file.read_text().rpartition(")")[2].split()  # the name before it may contain spaces
        except OSError:  # the process has ended
            continue
        process = int(file.parent.name)
        children.setdefault(int(fields[1]), []).append(process)
        ticks[process] = sum(map(int, fields[11:15]))  # user and system time, own and of children that have ended
    tree = [root]
    for process in tree:
        tree += children.get(process, [])
    return sum(ticks.get(process, 0) for process in tree)
