"""A line now and then while nothing else is said, so that silence means that a run is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

MINUTES = 5.0
"""Longest silence of a command that has no configuration."""


class Heartbeat:
    """Says what is going on when nothing was said for so long, from a thread of its own; a context manager.

    The thread tells what `alive` was last told and how long ago, so a run that hangs is told from one that works.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        minutes: float = MINUTES,
        *,
        where: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts nothing before the block is entered.

        Args:
            say: shows a line; called from the thread.
            minutes: longest silence.
            where: what ends the line, such as ``step 1200 of 4000``; empty for nothing.
            clock: seconds that only grow.
        """
        self._say = say
        self._seconds = minutes * 60.0
        self._where = where
        self._clock = clock
        self._said = clock()
        self._doing = ("starting", self._said)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def alive(self, doing: str) -> None:
        """Notes what is going on; costs less than a microsecond."""
        self._doing = (doing, self._clock())

    def said(self) -> None:
        """Notes that a line was said by someone else."""
        self._said = self._clock()

    def beat(self) -> float:
        """Says the line if it is due; gives the seconds until the next may be."""
        now = self._clock()
        if now - self._said >= self._seconds:
            self._said = now
            doing, since = self._doing
            where = self._where()
            self._say(f"still at it: {doing} ({_ago(now - since)} ago){'; ' if where else ''}{where}")
        return self._seconds - (self._clock() - self._said)

    def __enter__(self) -> Self:
        self._said = self._clock()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(max(0.0, self.beat())):
            pass


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
