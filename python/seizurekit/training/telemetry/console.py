"""Progress on stderr: a bar with lines above it on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from seizurekit.config import Config
from seizurekit.config.sections import LOWER_IS_BETTER, sensitivity_at
from seizurekit.settings import plain_progress
from seizurekit.training.telemetry.records import Ended, Notice, Record, Saved, Started, Trained, Validated

_PLAIN_SECONDS = 10.0
_SAVED_SECONDS = 60.0
"""Shortest time between two lines about training states; ``metrics.jsonl`` has all of them."""


class ConsoleSink:
    """Shows a run. The bar appears only on a terminal, and not if `BGB_DISABLE_TQDM` is set.

    Args:
        config: configuration of the run.
        steps: number of steps of the whole run.
        clock: returns seconds; must not go backwards.
    """

    name = "the console"
    retries = False

    def __init__(self, config: Config, steps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._epochs = config.training.epochs
        self._metrics = _shown_metrics(config)
        self._steps = steps
        self._clock = clock
        self._last_line = self._last_trained = self._last_saved = -1e9
        self._shown = sys.stderr.isatty() and not plain_progress()
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._shown)
        self._task = self._bar.add_task("steps", total=steps)
        self._bar.start()

    def write(self, record: Record) -> None:
        """Shows a record.

        Raises:
            OSError: stderr is closed.
        """
        match record:
            case Trained():
                self._show_trained(record)
            case Validated():
                self._line(self._describe_validated(record))
            case Notice():
                self._line(f"seizurekit: warning: {record.text}" if record.warning else record.text)
            case Started():
                self._bar.update(self._task, completed=record.resumed_step or 0)
                if record.resumed_step is not None:
                    self._line(f"{record.name}: resuming after step {record.resumed_step} of {record.steps}")
            case Saved():
                self._show_saved(record)
            case Ended():
                self._line(f"{record.reason} after step {record.step} of {self._steps}")

    def close(self) -> None:
        """Removes the bar."""
        self._bar.stop()

    def _show_trained(self, record: Trained) -> None:
        if self._shown:
            self._bar.update(self._task, completed=record.step, description=f"loss {record.loss:.3f}")
            return
        now = self._clock()
        # Shows this record if the next one would come too late.
        if now - self._last_line + (now - self._last_trained) > _PLAIN_SECONDS:
            self._last_line = now
            self._line(self._plain(record))
        self._last_trained = now

    def _show_saved(self, record: Saved) -> None:
        now = self._clock()
        if now - self._last_saved >= _SAVED_SECONDS:
            self._last_saved = now
            self._line(f"saved {record.path} after step {record.step} in {record.seconds:.1f} s")

    def _plain(self, record: Trained) -> str:
        batch_ms = record.wait_ms + record.compute_ms
        waiting = record.wait_ms / batch_ms if batch_ms > 0 else 0.0
        parts = [
            f"loss {record.loss:.4f}",
            f"lr {record.lr:.1e}",
            f"{record.samples_per_s:.0f} windows/s",
            f"waiting {100 * waiting:.0f} %",
        ]
        if record.gpu is not None and record.gpu.utilization is not None:
            parts.append(f"GPU {record.gpu.utilization:.0f} %")
        if record.skipped:
            parts.append(f"{record.skipped} skipped")
        return f"step {record.step} of {self._steps}, epoch {record.epoch}: {', '.join(parts)}"

    def _describe_validated(self, record: Validated) -> str:
        metrics = [text for name, describe in self._metrics if (text := describe(record.metrics.get(name)))]
        best = "; best so far" if record.best else ""
        return f"epoch {record.epoch} of {self._epochs}: loss {record.train_loss:.4f}; dev: {', '.join(metrics)}{best}"

    def _line(self, line: str) -> None:
        if self._shown:
            self._console.print(line, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)


def _shown_metrics(config: Config) -> list[tuple[str, Callable[[float | None], str]]]:
    """The metrics in the line about an epoch, each with its description: sensitivity, AUROC and `validation.metric`."""
    rates = {sensitivity_at(rate): rate for rate in config.validation.false_alarm_rates}
    metric = config.validation.metric
    shown = metric if metric in rates else next(iter(rates))

    def sensitivity(value: float | None) -> str:
        return "" if value is None else f"sensitivity {100 * value:.1f} % at {rates[shown]:g} false alarms in 24 h"

    def auroc(value: float | None) -> str:
        return "" if value is None else f"AUROC {value:.3f}"

    def other(value: float | None) -> str:
        return "" if value is None else f"{metric.replace('_', ' ')} {value:.4f}"

    return [(shown, sensitivity), ("auroc", auroc), *([(metric, other)] if metric in LOWER_IS_BETTER else [])]
