"""Progress of a build or a copy: a bar on a terminal, else a plain line every ten seconds; never long silence."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from seizurekit.heartbeat import Heartbeat

if TYPE_CHECKING:
    from rich.progress import TaskID

    from seizurekit.cache.build.build import Progress

_SECONDS_A_LINE = 10.0


@contextmanager
def hours_shown() -> Iterator[Callable[[Progress], None]]:
    """A callback that shows hours of signal done, of all, and when the rest will be."""
    from seizurekit import settings

    if settings.plain_progress() or not sys.stderr.isatty():
        with Heartbeat(_say) as heartbeat:
            yield _Lines(heartbeat).show
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("recordings"))
    with Bars(*columns, TimeRemainingColumn(), console=console) as bars, Heartbeat(console.print) as heartbeat:
        tasks: dict[str, TaskID] = {}

        def show(progress: Progress) -> None:
            if progress.split not in tasks:
                tasks[progress.split] = bars.add_task(progress.split, total=progress.all_recordings)
            bars.update(tasks[progress.split], completed=progress.recordings)
            heartbeat.alive(_recordings(progress))

        yield show


@contextmanager
def shards_shown() -> Iterator[Callable[[str, int, int], None]]:
    """A callback that shows shards done, of all: a bar on a terminal, else a plain line every ten seconds."""
    from seizurekit import settings

    if settings.plain_progress() or not sys.stderr.isatty():
        said = [time.monotonic()]

        with Heartbeat(_say) as heartbeat:

            def say(split: str, done: int, shards: int) -> None:
                line = f"{split}: {done}/{shards} shards"
                heartbeat.alive(line)
                if time.monotonic() - said[0] >= _SECONDS_A_LINE:
                    said[0] = time.monotonic()
                    heartbeat.said()
                    _say(line)

            yield say
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with Bars(console=console) as bars, Heartbeat(console.print) as heartbeat:
        tasks: dict[str, TaskID] = {}

        def show(split: str, done: int, shards: int) -> None:
            if split not in tasks:
                tasks[split] = bars.add_task(split, total=shards)
            bars.update(tasks[split], completed=done)
            heartbeat.alive(f"{split}: {done}/{shards} shards")

        yield show


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _recordings(progress: Progress) -> str:
    return f"{progress.split}: {progress.recordings}/{progress.all_recordings} recordings"


class _Lines:
    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat
        self._said = time.monotonic()
        self._split = ""
        self._began = 0.0
        self._had = 0.0

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        self._heartbeat.alive(_recordings(progress))
        if progress.split != self._split:
            self._split, self._began, self._had = progress.split, now, progress.hours
        if now - self._said < _SECONDS_A_LINE:
            return
        self._said = now
        self._heartbeat.said()
        speed = (progress.hours - self._had) / max(now - self._began, 1e-9)
        left = f"{(progress.all_hours - progress.hours) / speed:.0f} s left" if speed > 0 else "time left unknown"
        _say(f"{_recordings(progress)}, {progress.hours:.2f}/{progress.all_hours:.2f} h, {left}")
