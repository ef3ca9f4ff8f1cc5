"""Progress of a build or a copy: a bar on a terminal, else a plain line every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

import typer

from seizurekit import settings
from seizurekit.heartbeat import Heartbeat

if TYPE_CHECKING:
    from rich.progress import TaskID

    from seizurekit.cache.build.build_cache import BuildProgress

_SECONDS_PER_LINE = 10.0


class _Show(Protocol):
    """Shows that `done` of `total` items of a split are done; `detail` is added to a plain line."""

    def __call__(self, split: str, done: int, total: int, detail: str = "") -> None: ...


@contextmanager
def show_build_progress() -> Iterator[Callable[[BuildProgress], None]]:
    """A callback that shows the recordings done, and in plain lines also the hours done and the time left."""
    hours = _Hours()
    with _display("recordings") as show:
        yield lambda p: show(p.split, p.recordings, p.all_recordings, hours.describe(p))


def show_copy_progress() -> AbstractContextManager[_Show]:
    """A callback that shows the shards done."""
    return _display("shards")


def _display(unit: str) -> AbstractContextManager[_Show]:
    return _lines(unit) if settings.plain_progress() or not sys.stderr.isatty() else _bars(unit)


@contextmanager
def _lines(unit: str) -> Iterator[_Show]:
    printed_at = time.monotonic()

    def show(split: str, done: int, total: int, detail: str = "") -> None:
        nonlocal printed_at
        line = f"{split}: {done}/{total} {unit}"
        heartbeat.note_activity(line)
        if time.monotonic() - printed_at >= _SECONDS_PER_LINE:
            printed_at = time.monotonic()
            heartbeat.note_output()
            _print(line + detail)

    with Heartbeat(_print) as heartbeat:
        yield show


@contextmanager
def _bars(unit: str) -> Iterator[_Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    tasks: dict[str, TaskID] = {}

    def show(split: str, done: int, total: int, detail: str = "") -> None:
        if split not in tasks:
            tasks[split] = bars.add_task(split, total=total)
        bars.update(tasks[split], completed=done)
        heartbeat.note_activity(f"{split}: {done}/{total} {unit}")

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    count = (MofNCompleteColumn(), TextColumn(unit))
    with (
        Progress(TextColumn("{task.description}"), BarColumn(), *count, TimeRemainingColumn(), console=console) as bars,
        Heartbeat(console.print) as heartbeat,
    ):
        yield show


def _print(line: str) -> None:
    typer.echo(line, err=True)


class _Hours:
    """Hours of signal done and time left, from the speed since the split's first report."""

    def __init__(self) -> None:
        self._split = ""
        self._started_at = 0.0
        self._hours_at_start = 0.0

    def describe(self, progress: BuildProgress) -> str:
        now = time.monotonic()
        if progress.split != self._split:
            self._split, self._started_at, self._hours_at_start = progress.split, now, progress.hours
        speed = (progress.hours - self._hours_at_start) / max(now - self._started_at, 1e-9)
        left = f"{(progress.all_hours - progress.hours) / speed:.0f} s left" if speed > 0 else "time left unknown"
        return f", {progress.hours:.2f}/{progress.all_hours:.2f} h, {left}"
