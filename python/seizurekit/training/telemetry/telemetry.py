"""What the training loop holds: it gives records out, and none of the places that they go to can stop it."""

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
    """Gives each record to every sink; a context manager.

    A sink that fails is named in one warning and done without; ``metrics.jsonl`` alone is tried again with each record.
    Records may come from any thread.
    """

    def __init__(self, steps: int, minutes: float) -> None:
        """Without any sink; see `opened`.

        Args:
            steps: that the whole run has.
            minutes: longest silence.
        """
        self._steps = steps
        self._step = 0
        self._sinks: list[Sink] = []
        self._failing: set[str] = set()
        self._jsonl: JsonlSink | None = None
        self._wandb: WandbSink | None = None
        self._ended = False
        self._beats = False
        self._lock = threading.RLock()  # a signal's handler may speak while a record is written
        self._heartbeat = Heartbeat(self.say, minutes, where=lambda: f"step {self._step} of {self._steps}")
        self.alive: Callable[[str], None] = self._heartbeat.alive
        """Notes what is going on, for the heartbeat; costs less than a microsecond."""

    @classmethod
    def opened(
        cls,
        run_dir: Path,
        config: Config,
        steps: int,
        *,
        first: bool = True,
        resumed: dict[str, Any] | None = None,
        wandb: WandbPlan | None = None,
    ) -> Telemetry:
        """With every sink that the configuration asks for, and that opens.

        Args:
            run_dir: folder of the run.
            config: whole.
            steps: that the whole run has.
            first: whether this process is the one that speaks; in another everything does nothing.
            resumed: what `state` gave when the training state was saved; None for a new run.
            wandb: of `check_wandb`.
        """
        telemetry = cls(steps, config.telemetry.heartbeat_minutes)
        if first:
            telemetry._open(run_dir, config, resumed, wandb)
        return telemetry

    def _open(self, run_dir: Path, config: Config, resumed: dict[str, Any] | None, plan: WandbPlan | None) -> None:
        self._beats = True
        self._step = int(resumed.get("step", 0)) if resumed else 0
        self._add(ConsoleSink.name, lambda: ConsoleSink(config, self._steps))
        self._jsonl = JsonlSink(run_dir / METRICS, resumed.get("jsonl_bytes", 0) if resumed else None, self._step)
        self._sinks.append(self._jsonl)
        try:
            if lost := self._jsonl.cut():
                self.warn(lost)
        except OSError as error:
            self._failed(self._jsonl, error)
        if config.telemetry.tensorboard:
            step = self._step if resumed else None
            self._add(TensorboardSink.name, lambda: TensorboardSink(run_dir / TENSORBOARD, step))
        if plan is not None and plan.note:
            self.say(plan.note)
        if plan is not None and plan.mode is not None:
            run_id = resumed.get("wandb_run") if resumed else None
            self._wandb = self._add(WandbSink.name, lambda: WandbSink(plan, config, run_dir, run_id, self.say))

    def _add(self, name: str, make: Callable[[], S]) -> S | None:
        try:
            sink = make()
        except Exception as error:  # of any kind: no sink may stop a run
            self.warn(f"{name}: {_reason(error)}; going on without it")
            return None
        self._sinks.append(sink)
        return sink

    def emit(self, record: Record) -> None:
        """Gives a record to every sink."""
        if not self._sinks:
            return
        with self._lock:
            if not isinstance(record, Started | Notice):
                self._step = record.step
            self._ended = self._ended or isinstance(record, Ended)
            self._heartbeat.said()  # the console shows every kind of record, those of training every ten seconds
            for sink in tuple(self._sinks):
                try:
                    sink.write(record)
                except Exception as error:  # of any kind: no sink may stop a run
                    self._failed(sink, error)
                else:
                    if sink.name in self._failing:
                        self._failing.discard(sink.name)
                        self.say(f"{sink.name}: written again")

    def say(self, text: str) -> None:
        """Shows and records a line."""
        self.emit(Notice(text))

    def warn(self, text: str) -> None:
        """Shows and records a warning."""
        self.emit(Notice(text, warning=True))

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, for the training state; makes durable what stands in ``metrics.jsonl``."""
        with self._lock:
            if self._jsonl is not None:
                try:
                    self._jsonl.sync()
                except OSError as error:
                    self._failed(self._jsonl, error)
            return {
                "step": self._step,
                "jsonl_bytes": self._jsonl.bytes if self._jsonl else 0,
                "wandb_run": self._wandb.run_id if self._wandb else None,
            }

    @property
    def url(self) -> str | None:
        """Of the run at W&B; None without one."""
        return self._wandb.url if self._wandb else None

    def __enter__(self) -> Self:
        if self._beats:
            self._heartbeat.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._beats:
            return
        if not self._ended:
            self.emit(Ended(self._step, _reason(error) if error else "finished", complete=error is None))
        for sink in reversed(tuple(self._sinks)):  # the console last, so that it shows what the others say
            with self._lock:  # and not while it is closed, which may take a minute
                self._sinks = [other for other in self._sinks if other is not sink]
            try:
                sink.close()
            except Exception as failure:  # of any kind: no sink may stop a run
                self.warn(f"{sink.name}: {_reason(failure)}")
        self._heartbeat.__exit__(kind, error, trace)

    def _failed(self, sink: Sink, error: Exception) -> None:
        """Tells the other sinks of it, once."""
        if not sink.lasting:
            self._sinks = [other for other in self._sinks if other is not sink]
            self.warn(f"{sink.name}: {_reason(error)}; going on without it")
        elif sink.name not in self._failing:
            self._failing.add(sink.name)
            self.warn(f"{sink.name}: {_reason(error)}; tried again with each record")


def _reason(error: BaseException) -> str:
    """In one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, OSError) and text else f"{type(error).__name__}{': ' if text else ''}{text}"
