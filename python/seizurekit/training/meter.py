"""What the loop's steps took and came to: a record every so many batches, and a word where data comes too slowly."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Self

import torch

from seizurekit.config import Config
from seizurekit.loading.protocol import Loader
from seizurekit.loading.torch_loader import TorchLoader
from seizurekit.training.learner import Outcome
from seizurekit.training.telemetry.gpu import GpuMeter
from seizurekit.training.telemetry.records import Trained
from seizurekit.training.telemetry.telemetry import Telemetry
from seizurekit.training.telemetry.waiting import LoaderFacts, Waiting


class Meter:
    """Adds up the steps of an epoch, and hands their means to the telemetry; a context manager.

    Args:
        config: of the run.
        loader: that the batches come from.
        device: that they are computed on.
        telemetry: that is told.
        steps: of the whole run, for the heartbeat.

    Attributes:
        epoch_waited_s: seconds for which data was waited for since `begin`.
    """

    def __init__(
        self,
        config: Config,
        loader: Loader,
        device: torch.device,
        telemetry: Telemetry,
        steps: int,
    ) -> None:
        self._every = max(1, round(config.telemetry.every / config.training.accumulate))
        self._batches = config.training.accumulate
        self._telemetry, self._steps = telemetry, steps
        self._gpu = GpuMeter.of(device)
        self._waiting = Waiting(_facts(config, loader), telemetry.warn)
        self.begin()

    def __enter__(self) -> Self:
        self._gpu.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gpu.__exit__(kind, error, trace)

    def begin(self) -> None:
        """Steps begin, after something else."""
        self.epoch_waited_s = 0.0
        self._restart()

    def _restart(self) -> None:
        self._taken, self._waited_s = 0, 0.0
        self._loss = self._windows = self._norm = 0.0
        self._began = self._looked = time.perf_counter()
        self._looked_waited_s = 0.0

    def waited(self, seconds: float) -> None:
        """The device had nothing to do for so long, since the next batch was not there."""
        self._waited_s += seconds
        self.epoch_waited_s += seconds

    def step(self, number: int, epoch: int, outcome: Outcome, lr: float, skipped: int) -> None:
        """A step is over; `number` counts from 1 over the whole run, `epoch` from 1."""
        self._telemetry.alive(f"training, step {number} of {self._steps}")
        now = time.perf_counter()
        waited = self._waited_s - self._looked_waited_s
        self._waiting.add(waited, max(now - self._looked - waited, 0.0))
        self._looked, self._looked_waited_s = now, self._waited_s
        self._taken += 1
        self._loss, self._windows = self._loss + outcome.loss, self._windows + outcome.windows
        self._norm += outcome.norm
        if number % self._every == 0:
            self._tell(number, epoch, lr, skipped)

    def _tell(self, number: int, epoch: int, lr: float, skipped: int) -> None:
        now = time.perf_counter()
        seconds, batches = now - self._began, self._taken * self._batches
        record = Trained(
            step=number,
            epoch=epoch,
            loss=self._loss / self._windows,
            lr=lr,
            grad_norm=self._norm / self._taken,
            samples_per_s=self._windows / seconds,
            wait_ms=1e3 * self._waited_s / batches,
            compute_ms=1e3 * (seconds - self._waited_s) / batches,
            skipped=skipped,
            gpu=self._gpu.load(),
        )
        self._telemetry.emit(record)
        self._restart()


def _facts(config: Config, loader: Loader) -> LoaderFacts:
    """What a loader that is too slow may be explained by."""
    workers = config.loader.num_workers
    return LoaderFacts(
        remote="://" in config.cache.dir,
        local_dir=config.cache.local_dir is not None,
        kind=config.loader.kind,
        shuffle=config.loader.shuffle,
        num_workers=workers,
        processors=len(os.sched_getaffinity(0)),
        workers_ended=lambda: isinstance(loader, TorchLoader) and loader.num_workers < workers,
    )
