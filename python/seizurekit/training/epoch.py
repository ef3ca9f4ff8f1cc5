"""The steps of an epoch: fetch batches, accumulate gradients, update, and read the outcome once the device has it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar, cast

from seizurekit.config import Config
from seizurekit.errors import CacheError
from seizurekit.loading.protocol import Batch, Loader
from seizurekit.training.learner import Learner
from seizurekit.training.run.progress import Progress
from seizurekit.training.schedule import Schedule
from seizurekit.training.step import PendingOutcome, StepResult
from seizurekit.training.stop import StopRequest

T = TypeVar("T")


@dataclass(frozen=True)
class _LaunchedStep:
    """A step that the device may still compute; the fields are those of `StepResult`."""

    step: int
    windows_done: int
    lr: float
    indices: list[int]
    pending: PendingOutcome


class EpochRunner:
    """Runs the steps of an epoch, and yields their results.

    On a GPU one step stays in flight: the result of a step comes after the next step was launched, so that the GPU
    always has work. Before the consumer does anything that must see all launched steps, such as saving a training
    state, it calls `request_drain` after each result until `is_idle`.
    """

    def __init__(
        self,
        learner: Learner,
        loader: Loader,
        schedule: Schedule,
        config: Config,
        stop: StopRequest,
    ) -> None:
        self._learner, self._loader, self._schedule = learner, loader, schedule
        self._config, self._stop = config, stop
        self._in_flight: deque[_LaunchedStep] = deque()
        self._max_in_flight = 1 if learner.device.type == "cuda" else 0
        self._is_draining = False
        self._waited_s = 0.0

    def steps(self, progress: Progress) -> Generator[StepResult]:
        """Runs the rest of the current epoch, up to ``training.max_steps``, and yields the result of each step."""
        self._loader.set_epoch(progress.epoch, progress.windows_done)
        epoch, step, done = progress.epoch, progress.step, progress.windows_done
        self._in_flight.clear()
        with closing(self._timed_batches()) as batches:
            for sizes in _groups(self._loader.remaining(), self._config.training.accumulate):
                step += 1
                self._in_flight.append(self._launch(batches, sizes, step, epoch, done))
                done += sum(sizes)
                while len(self._in_flight) > (0 if self._is_draining else self._max_in_flight):
                    yield self._read_oldest(epoch)
                self._is_draining = False
                if step == self._config.training.max_steps:
                    break
            else:
                next(batches, None)  # at its end the loader starts to read ahead the first batches of the next epoch
        while self._in_flight:
            yield self._read_oldest(epoch)

    @property
    def is_idle(self) -> bool:
        """Whether no step is in flight."""
        return not self._in_flight

    def request_drain(self) -> None:
        """Makes `steps` yield the results of all steps in flight before it launches another step."""
        self._is_draining = not self.is_idle

    def _launch(
        self, batches: Iterator[Batch], sizes: Sequence[int], step: int, epoch: int, before: int
    ) -> _LaunchedStep:
        """Launches a step of batches with these numbers of windows, over all ranks."""
        windows, indices = sum(sizes), []
        done = before
        for i, size in enumerate(sizes):
            batch = next(batches, None)
            if batch is None:
                raise CacheError(f"{self._config.cache.dir}: all windows of a batch are unreadable")
            current = self._loader.current
            indices += current.tolist()
            is_last = i + 1 == len(sizes)
            self._learner.accumulate(*batch, current, epoch=epoch, before=done, step_windows=windows, is_last=is_last)
            done += size
        lr = self._schedule.learning_rate(epoch, before, windows)
        return _LaunchedStep(step, done, lr, indices, self._learner.update(lr, self._stop.is_requested))

    def _read_oldest(self, epoch: int) -> StepResult:
        """The result of the oldest step in flight; waits for it."""
        oldest = self._in_flight.popleft()
        outcome = oldest.pending.read()
        waited_s, self._waited_s = self._waited_s, 0.0
        return StepResult(oldest.step, epoch + 1, oldest.windows_done, oldest.lr, oldest.indices, outcome, waited_s)

    def _timed_batches(self) -> Generator[Batch]:
        """The batches of the loader; adds up the seconds in which the device was idle because a batch was late."""
        with closing(cast(Generator[Batch], iter(self._loader))) as batches:
            while True:
                began = time.perf_counter()
                batch = next(batches, None)
                if batch is None:
                    return
                if not self._in_flight or self._in_flight[-1].pending.is_done:
                    self._waited_s += time.perf_counter() - began
                yield batch


def _groups(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Groups of `size` items; the last may be shorter."""
    for first in range(0, len(items), size):
        yield items[first : first + size]
