"""Distribution of a run's records to its sinks, none of which can stop the run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from seizurekit.config import Config
from seizurekit.heartbeat import Heartbeat
from seizurekit.training.telemetry.console import ConsoleSink
from seizurekit.training.telemetry.jsonl import JsonlSink
from seizurekit.training.telemetry.records import Ended, Notice, Record, Started
from seizurekit.training.telemetry.sink import Sink
from seizurekit.training.telemetry.tensorboard import TensorboardSink
from seizurekit.training.telemetry.wandb_check import WandbPlan
from seizurekit.training.telemetry.wandb_run import WandbSink

METRICS = "metrics.jsonl"
TENSORBOARD = "tb"
S = TypeVar("S", bound=Sink)


class Telemetry:
    """Sends each record to every sink; a context manager. `open` adds the sinks.

    A sink that fails is reported in one warning and dropped; only ``metrics.jsonl`` is tried again with each record.
    Records may come from any thread.

    Args:
        steps: number of steps of the whole run.
        minutes: maximum silence in minutes.
    """

    def __init__(self, steps: int, minutes: float) -> None:
        self._steps = steps
        self._step = 0
        self._sinks: list[Sink] = []
        self._failing: set[str] = set()
        self._jsonl: JsonlSink | None = None
        self._wandb: WandbSink | None = None
        self._ended = False
        self._enabled = False
        self._lock = threading.RLock()  # a signal handler may emit a record while another one is written
        self._heartbeat = Heartbeat(self.log, minutes, where=lambda: f"step {self._step} of {self._steps}")
        self.note_activity: Callable[[str], None] = self._heartbeat.note_activity
        """Records what the run is doing, for the heartbeat; takes less than a microsecond."""

    @classmethod
    def open(
        cls,
        run_dir: Path,
        config: Config,
        steps: int,
        *,
        enabled: bool = True,
        resumed: dict[str, Any] | None = None,
        wandb: WandbPlan | None = None,
    ) -> Telemetry:
        """A telemetry with all sinks that the configuration enables and that can be opened.

        Args:
            run_dir: folder of the run.
            config: configuration of the run.
            steps: number of steps of the whole run.
            enabled: False on all ranks but rank 0, where every method does nothing.
            resumed: `state` from the training state that the run resumes from; None for a new run.
            wandb: result of `check_wandb`.
        """
        telemetry = cls(steps, config.telemetry.heartbeat_minutes)
        if enabled:
            telemetry._open_sinks(run_dir, config, resumed, wandb)
        return telemetry

    def _open_sinks(
        self, run_dir: Path, config: Config, resumed: dict[str, Any] | None, plan: WandbPlan | None
    ) -> None:
        self._enabled = True
        self._step = int(resumed.get("step", 0)) if resumed else 0
        self._add(ConsoleSink.name, lambda: ConsoleSink(config, self._steps))
        self._jsonl = JsonlSink(run_dir / METRICS, resumed.get("jsonl_bytes", 0) if resumed else None, self._step)
        self._sinks.append(self._jsonl)
        try:
            if missing := self._jsonl.cut():
                self.warn(missing)
        except OSError as error:
            self._report_failure(self._jsonl, error)
        if config.telemetry.tensorboard:
            step = self._step if resumed else None
            self._add(TensorboardSink.name, lambda: TensorboardSink(run_dir / TENSORBOARD, step))
        if plan is not None and plan.note:
            self.log(plan.note)
        if plan is not None and plan.mode is not None:
            run_id = resumed.get("wandb_run") if resumed else None
            self._wandb = self._add(WandbSink.name, lambda: WandbSink(plan, config, run_dir, run_id, self.log))

    def _add(self, name: str, make: Callable[[], S]) -> S | None:
        try:
            sink = make()
        except Exception as error:  # no sink may stop a run
            self.warn(f"{name}: {_reason(error)}; continuing without it")
            return None
        self._sinks.append(sink)
        return sink

    def emit(self, record: Record) -> None:
        """Sends a record to every sink."""
        if not self._sinks:
            return
        with self._lock:
            if not isinstance(record, Started | Notice):
                self._step = record.step
            self._ended = self._ended or isinstance(record, Ended)
            self._heartbeat.note_output()  # the console shows each kind of record, training records every ten seconds
            for sink in tuple(self._sinks):
                try:
                    sink.write(record)
                except Exception as error:  # no sink may stop a run
                    self._report_failure(sink, error)
                else:
                    if sink.name in self._failing:
                        self._failing.discard(sink.name)
                        self.log(f"{sink.name}: recovered")

    def log(self, text: str) -> None:
        """Emits a line of text."""
        self.emit(Notice(text))

    def warn(self, text: str) -> None:
        """Emits a warning."""
        self.emit(Notice(text, warning=True))

    def state(self) -> dict[str, Any]:
        """Values that a resumed run needs, for the training state. Makes the lines of ``metrics.jsonl`` durable."""
        with self._lock:
            if self._jsonl is not None:
                try:
                    self._jsonl.sync()
                except OSError as error:
                    self._report_failure(self._jsonl, error)
            return {
                "step": self._step,
                "jsonl_bytes": self._jsonl.bytes if self._jsonl else 0,
                "wandb_run": self._wandb.run_id if self._wandb else None,
            }

    @property
    def url(self) -> str | None:
        """Address of the run at W&B; None without one."""
        return self._wandb.url if self._wandb else None

    def __enter__(self) -> Self:
        if self._enabled:
            self._heartbeat.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._enabled:
            return
        if not self._ended:
            self.emit(Ended(self._step, _reason(error) if error else "finished", complete=error is None))
        for sink in reversed(tuple(self._sinks)):  # the console last, so that it shows the lines of the others
            with self._lock:  # released before closing, which may take a minute
                self._sinks = [other for other in self._sinks if other is not sink]
            try:
                sink.close()
            except Exception as failure:  # no sink may stop a run
                self.warn(f"{sink.name}: {_reason(failure)}")
        self._heartbeat.__exit__(kind, error, trace)

    def _report_failure(self, sink: Sink, error: Exception) -> None:
        """Warns about a sink once, and drops it unless it retries."""
        if not sink.retries:
            self._sinks = [other for other in self._sinks if other is not sink]
            self.warn(f"{sink.name}: {_reason(error)}; continuing without it")
        elif sink.name not in self._failing:
            self._failing.add(sink.name)
            self.warn(f"{sink.name}: {_reason(error)}; trying again with each record")


def _reason(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, OSError) and text else f"{type(error).__name__}{': ' if text else ''}{text}"
