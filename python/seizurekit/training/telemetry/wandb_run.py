"""Weights & Biases: a run there, fed from a thread of its own, since logging and finishing may block."""

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
"""Seconds that a run's end waits for what W&B has not taken yet; it all lies in the run's folder, too."""
_INIT_S = 30.0
_QUEUE = 1000
"""Records that wait for W&B; more of them are left out, and metrics.jsonl has them."""


class WandbSink:
    """Sends the figures of every record, with the step among them.

    W&B's own step is left alone: it drops what does not grow, without a word, and a resumed run begins below what the
    killed one sent.

    Attributes:
        run_id: by which a resumed run goes on in the same run there.
        url: of the run; None offline.
    """

    name = "W&B"
    lasting = False

    def __init__(
        self,
        plan: WandbPlan,
        config: Config,
        run_dir: Path,
        run_id: str | None,
        say: Callable[[str], None],
        finish_s: float = FINISH_S,
    ) -> None:
        """Begins a run, offline where the server does not answer.

        Args:
            plan: of `check_wandb`, with a mode.
            config: whole, which is shown there.
            run_dir: W&B's own files go to ``wandb`` below it.
            run_id: of the run that this one continues.
            say: shows a line.
            finish_s: most seconds that the end takes.

        Raises:
            Exception: whatever W&B raises where it cannot begin, not even offline.
        """
        self._say = say
        self._finish_s = finish_s
        self._run = self._begun(plan, config, run_dir, run_id)
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")
        self.run_id: str = self._run.id
        self._offline: bool = self._run.settings._offline
        self._folder = _short(Path(self._run.settings.sync_dir))
        self.url: str | None = None if self._offline else self._run.url
        if self.url:
            say(f"W&B: {self.url}")
        self._exit_code = 1
        self._left_out = 0
        self._error: Exception | None = None
        self._records: queue.Queue[Record | None] = queue.Queue(_QUEUE)
        self._thread = threading.Thread(target=self._work, name="wandb", daemon=True)
        self._thread.start()

    def write(self, record: Record) -> None:
        """Hands the record to the thread; leaves it out where a thousand wait already.

        Raises:
            Exception: what W&B raised at one before.
        """
        if self._error is not None:
            raise self._error
        try:
            self._records.put_nowait(record)
        except queue.Full:
            self._left_out += 1
            if self._left_out == 1:
                self._say("W&B takes the records too slowly: some are left out there; metrics.jsonl has them all")

    def close(self) -> None:
        """Ends the run within the time limit and says where it is, or how to send the rest."""
        how = f"send it with: wandb sync {self._folder}"
        try:
            self._records.put(None, timeout=self._finish_s)
        except queue.Full:
            self._say(f"W&B: stuck; {how}")
            return
        self._thread.join(self._finish_s + 5.0)
        if self._thread.is_alive() or isinstance(self._error, TimeoutError):
            self._say(f"W&B: it did not take the whole run within {self._finish_s:.0f} s; {how}")
        elif self._error is not None:
            self._say(f"W&B: {type(self._error).__name__}: {self._error}; {how}")
        elif self._offline:
            self._say(f"W&B: the run is in {self._folder}; {how}")
        elif self.url:
            self._say(f"W&B: {self.url}")

    def _begun(self, plan: WandbPlan, config: Config, run_dir: Path, run_id: str | None) -> Any:
        import wandb

        def begin(mode: Literal["online", "offline"]) -> Any:
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
                    silent=True,  # ours are the lines that are shown
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
                return begin("online")
            except (wandb.errors.CommError, TimeoutError) as error:
                reason = " ".join(str(error).split())
                self._say(f"W&B: {reason}; the run is written offline, and how to send it is said at the end")
        return begin("offline")

    def _work(self) -> None:
        try:
            while (record := self._records.get()) is not None:
                self._send(record)
            self._run.finish(exit_code=self._exit_code)
        except Exception as error:  # of any kind: it is raised again where the next record is written
            self._error = error

    def _send(self, record: Record) -> None:
        if isinstance(record, Started):
            self._run.config.update({"facts": record.facts}, allow_val_change=True)
        elif isinstance(record, Ended):
            self._exit_code = 0 if record.complete else 1
        elif figures := scalars(record):
            self._run.log({"step": record.step, **figures})  # type: ignore[union-attr]  # those with figures have one


def _short(path: Path) -> Path:
    """Relative to where the user is, if it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
