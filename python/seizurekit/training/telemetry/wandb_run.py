"""A run at Weights & Biases. A thread sends its records, because logging and finishing may block."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from seizurekit.config import Config
from seizurekit.training.telemetry.records import Ended, Record, Started, scalars
from seizurekit.training.telemetry.wandb_check import WandbPlan

FINISH_S = 60.0
"""Seconds that the end of a run waits for W&B to receive the rest; the run's folder has all of it, too."""
_MARGIN_S = 5.0
"""Seconds beyond W&B's own time limit."""
_INIT_S = 30.0
_QUEUE = 1000
"""Number of records that may wait for W&B; further ones are dropped there, and metrics.jsonl has them."""


class WandbSink:
    """Sends the metrics of every record, and its step as one of them.

    W&B's own step is not used: W&B silently drops a step that does not grow, and a resumed run starts below the last
    step of the killed run.

    Args:
        plan: result of `check_wandb`, with a mode.
        config: configuration of the run, which W&B shows.
        run_dir: folder of the run; W&B's files go to ``wandb`` in it.
        run_id: identifier of the run to resume.
        report: shows a line.
        finish_s: time limit of `close` in seconds.

    Attributes:
        run_id: identifier with which a resumed run continues the same run at W&B.
        url: address of the run; None offline.

    Raises:
        Exception: W&B cannot start a run, not even offline.
    """

    name = "W&B"
    retries = False

    def __init__(
        self,
        plan: WandbPlan,
        config: Config,
        run_dir: Path,
        run_id: str | None,
        report: Callable[[str], None],
        finish_s: float = FINISH_S,
    ) -> None:
        self._report = report
        self._finish_s = finish_s
        self._run = self._start(plan, config, run_dir, run_id)
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")
        self.run_id: str = self._run.id
        self._offline: bool = self._run.settings._offline
        self._folder = _relative(Path(self._run.settings.sync_dir))
        self.url: str | None = None if self._offline else self._run.url
        if self.url:
            report(f"W&B: {self.url}")
        self._exit_code = 1
        self._dropped = 0
        self._error: Exception | None = None
        self._records: queue.Queue[Record | None] = queue.Queue(_QUEUE)
        self._thread = threading.Thread(target=self._work, name="wandb", daemon=True)
        self._thread.start()

    def write(self, record: Record) -> None:
        """Hands the record to the thread, or drops it if too many are waiting.

        Raises:
            Exception: an earlier record failed at W&B.
        """
        if self._error is not None:
            raise self._error
        try:
            self._records.put_nowait(record)
        except queue.Full:
            self._dropped += 1
            if self._dropped == 1:
                self._report("W&B is too slow: some records are dropped there; metrics.jsonl has all of them")

    def close(self) -> None:
        """Finishes the run within the time limit, and shows its address or how to send the rest."""
        how = f"send it with: wandb sync {self._folder}"
        try:
            self._records.put(None, timeout=self._finish_s)
        except queue.Full:
            self._report(f"W&B: does not respond; {how}")
            return
        self._thread.join(self._finish_s + _MARGIN_S)
        if self._thread.is_alive() or isinstance(self._error, TimeoutError):
            self._report(f"W&B: did not receive the whole run within {self._finish_s:.0f} s; {how}")
        elif self._error is not None:
            self._report(f"W&B: {type(self._error).__name__}: {self._error}; {how}")
        elif self._offline:
            self._report(f"W&B: the run is in {self._folder}; {how}")
        elif self.url:
            self._report(f"W&B: {self.url}")

    def _start(self, plan: WandbPlan, config: Config, run_dir: Path, run_id: str | None) -> Any:
        import wandb

        def start(mode: Literal["online", "offline"]) -> Any:
            return wandb.init(
                project=plan.project,
                entity=plan.entity,
                name=config.name,
                config=config.model_dump(mode="json"),
                dir=str(run_dir),
                id=run_id,
                resume="allow",
                mode=mode,
                settings=wandb.Settings(
                    silent=True,  # our own lines are shown instead
                    console="off",
                    init_timeout=_INIT_S,
                    finish_timeout=self._finish_s,
                    finish_timeout_raises=True,
                    allow_val_change=True,
                ),
            )

        run_dir.mkdir(parents=True, exist_ok=True)
        if plan.mode == "online":
            try:
                return start("online")
            except (wandb.errors.CommError, TimeoutError) as error:
                reason = " ".join(str(error).split())
                self._report(f"W&B: {reason}; the run is written offline, and the last line shows how to send it")
        return start("offline")

    def _work(self) -> None:
        try:
            while (record := self._records.get()) is not None:
                self._send(record)
            self._run.finish(exit_code=self._exit_code)
        except Exception as error:  # raised by the next `write`
            self._error = error

    def _send(self, record: Record) -> None:
        if isinstance(record, Started):
            self._run.config.update({"facts": record.facts}, allow_val_change=True)
        elif isinstance(record, Ended):
            self._exit_code = 0 if record.complete else 1
        elif metrics := scalars(record):
            self._run.log({"step": record.step, **metrics})  # type: ignore[union-attr]  # records with metrics have one


def _relative(path: Path) -> Path:
    """A path relative to the working directory, if it is inside it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
