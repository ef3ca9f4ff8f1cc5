"""A line after each long silence, so that a run without any output is known to be dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

MINUTES = 5.0
"""Maximum silence, in minutes, of a command that has no configuration."""


class Heartbeat:
    """Reports the current activity after each long silence, from a thread; a context manager.

    The line names the last activity and its age, which distinguishes a run that works from one that hangs.

    Args:
        report: shows a line; called from the thread.
        minutes: maximum silence in minutes.
        where: returns the end of the line, such as ``step 1200 of 4000``, or an empty string.
        clock: returns seconds; must not go backwards.
    """

    def __init__(
        self,
        report: Callable[[str], None],
        minutes: float = MINUTES,
        *,
        where: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._seconds = minutes * 60.0
        self._where = where
        self._clock = clock
        self._last_output = clock()
        self._activity = ("starting", self._last_output)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def note_activity(self, activity: str) -> None:
        """Records what the program is doing; takes less than a microsecond."""
        self._activity = (activity, self._clock())

    def note_output(self) -> None:
        """Records that other code has shown a line."""
        self._last_output = self._clock()

    def beat(self) -> float:
        """Shows the line if it is due. Returns the seconds until the next one may be due."""
        now = self._clock()
        if now - self._last_output >= self._seconds:
            self._last_output = now
            activity, since = self._activity
            where = self._where()
            age = _format_age(now - since)
            self._report(f"still running: {activity} (last activity {age} ago){'; ' if where else ''}{where}")
        return self._seconds - (self._clock() - self._last_output)

    def __enter__(self) -> Self:
        self._last_output = self._clock()
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


def _format_age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
