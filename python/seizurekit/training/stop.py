"""Requests to stop: SIGTERM, which schedulers send before they take a machine away, and SIGINT from Ctrl-C."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Records the first signal, so that the current step can finish and be saved; a second one ends the process.

    A context manager. Python handles signals only in the main thread of a process; in another thread this does nothing.

    Attributes:
        signal: the signal that was received, or None.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._record) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    @property
    def is_requested(self) -> bool:
        """Whether a signal was received."""
        return self.signal is not None

    def _record(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        for other in _SIGNALS:
            signal.signal(other, signal.SIG_DFL)
