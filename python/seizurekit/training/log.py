"""What a training run says: a bar on a terminal, plain lines elsewhere, and every figure in ``metrics.jsonl``."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from seizurekit.settings import plain_progress

_PLAIN_SECONDS = 10.0


def without_nan(value: Any) -> Any:
    """The same with None for numbers that JSON does not have, NaN and the infinities."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class TrainingLog:
    """Writes ``metrics.jsonl`` anew, a line a record, and shows progress on stderr; a context manager."""

    def __init__(self, path: Path, steps: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._steps = steps
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._shown = sys.stderr.isatty() and not plain_progress()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._shown)
        self._task = self._bar.add_task("steps", total=steps)
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._file.close()

    def say(self, line: str) -> None:
        """Shows a line."""
        if self._shown:
            self._console.print(line, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def record(self, **values: Any) -> None:
        """Writes one line of ``metrics.jsonl``."""
        self._file.write(json.dumps(without_nan(values), allow_nan=False) + "\n")

    def step(self, step: int, loss: float, lr: float) -> None:
        """One step of the optimiser is done; `step` counts from 1 over the whole run."""
        self.record(kind="step", step=step, loss=loss, lr=lr)
        self._bar.update(self._task, completed=step, description=f"loss {loss:.3f}")
        now = time.monotonic()
        if not self._shown and now - self._last_line >= _PLAIN_SECONDS:
            self._last_line = now
            self.say(f"step {step} of {self._steps}: loss {loss:.4f}")
