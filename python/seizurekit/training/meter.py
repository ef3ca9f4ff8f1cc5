"""Rates and means over the steps of training, with warnings about slow data and busy CPUs."""

from __future__ import annotations

import os
import time
from functools import partial
from types import TracebackType
from typing import Self

import torch

from seizurekit.config import Config
from seizurekit.loading.protocol import Loader
from seizurekit.loading.torch_loader import TorchLoader
from seizurekit.training.step import StepResult
from seizurekit.training.telemetry.gpu import GpuMeter
from seizurekit.training.telemetry.processors import ProcessorWatch, read_usage, root_process
from seizurekit.training.telemetry.records import Trained
from seizurekit.training.telemetry.telemetry import Telemetry
from seizurekit.training.telemetry.waiting import LoaderFacts, Waiting


class Meter:
    """Sums up steps and logs their means; a context manager.

    Attributes:
        epoch_waited_s: seconds the device was idle because no batch was ready, since `start_epoch`.
    """

    def __init__(self, config: Config, loader: Loader, device: torch.device, telemetry: Telemetry, steps: int) -> None:
        """Prepares a meter.

        Args:
            config: configuration of the run.
            loader: the loader of the batches.
            device: the device of the model.
            telemetry: receives the records.
            steps: steps of the whole run, for the heartbeat.
        """
        self._every = max(1, round(config.telemetry.every / config.training.accumulate))
        self._batches_per_step = config.training.accumulate
        self._telemetry, self._steps = telemetry, steps
        self._gpu = GpuMeter.of(device)
        self._waiting = Waiting(_loader_facts(config, loader), telemetry.warn)
        self._processors = ProcessorWatch(telemetry.warn, partial(read_usage, root_process()))
        self.start_epoch()

    def __enter__(self) -> Self:
        self._gpu.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gpu.__exit__(kind, error, trace)

    def start_epoch(self) -> None:
        """Starts the clock; the time since the last step, such as that of a validation, does not count."""
        self.epoch_waited_s = 0.0
        self._last_step = time.perf_counter()
        self._reset_sums()

    def _reset_sums(self) -> None:
        self._count = 0
        self._waited_s = self._loss = self._windows = self._norm = 0.0
        self._began = time.perf_counter()

    def log(self, step: StepResult, skipped: int) -> None:
        """Adds a step, and logs the means since the last record if it is time.

        Args:
            step: the step.
            skipped: skipped steps of the run so far.
        """
        self._telemetry.note_activity(f"training, step {step.step} of {self._steps}")
        now = time.perf_counter()
        self._waiting.add(step.waited_s, max(now - self._last_step - step.waited_s, 0.0))
        self._last_step = now
        self._count += 1
        self._waited_s += step.waited_s
        self.epoch_waited_s += step.waited_s
        self._loss += step.outcome.loss
        self._windows += step.outcome.windows
        self._norm += step.outcome.norm
        self._processors.check()
        if step.step % self._every == 0:
            self._telemetry.emit(self._record(step, skipped))
            self._reset_sums()

    def _record(self, step: StepResult, skipped: int) -> Trained:
        seconds, batches = time.perf_counter() - self._began, self._count * self._batches_per_step
        return Trained(
            step=step.step,
            epoch=step.epoch,
            loss=self._loss / self._windows,
            lr=step.lr,
            grad_norm=self._norm / self._count,
            samples_per_s=self._windows / seconds,
            wait_ms=1e3 * self._waited_s / batches,
            compute_ms=1e3 * (seconds - self._waited_s) / batches,
            skipped=skipped,
            gpu=self._gpu.load(),
        )


def _loader_facts(config: Config, loader: Loader) -> LoaderFacts:
    """The properties of a loader that may explain why it is slow."""
    workers = config.loader.num_workers
    return LoaderFacts(
        remote="://" in config.cache.dir,
        local_dir=config.cache.local_dir is not None,
        kind=config.loader.kind,
        shuffle=config.loader.shuffle,
        num_workers=workers,
        processors=len(os.sched_getaffinity(0)),
        workers_terminated=lambda: isinstance(loader, TorchLoader) and loader.num_workers < workers,
    )
