"""Batches from torch's DataLoader, with a watchdog on its worker processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, default_collate

from seizurekit.loading.dataset import EEGWindowDataset
from seizurekit.loading.order import EpochCursor, PlannedBatch
from seizurekit.loading.protocol import Batch
from seizurekit.loading.workers import (
    Workers,
    WorkersFailedError,
    shared_memory_left,
    suppress_worker_count_warning,
)

START_METHOD = "spawn"
"""How workers are started, see `TorchLoader`."""
STARTUP_S = 120.0
"""Default time limit of a worker's first batch in seconds: the worker imports torch and opens the store."""
_log = logging.getLogger(__name__)


class TorchLoader(EpochCursor):
    """Batches of a dataset from torch's DataLoader, in the order of WindowLoader.

    Workers are spawned. Forked workers start in 0.3 s instead of 3 s, but they inherit every lock that a thread
    happens to hold, they hang if an object store was read before the fork, and Python 3.12 warns about them. Persistent
    workers start only once per training. (A fork server would keep its initial environment, and the credentials in it.)

    If a batch does not arrive within `timeout_s`, or a worker dies, the loader terminates the workers, logs one warning
    with the reason, and continues in this process with the next batch. It does the same if a worker cannot read a batch
    that this process can read, for example for lack of shared memory. Errors in the data itself are raised.

    Args:
        dataset: dataset whose items are batched.
        batch_size: items per batch of this rank.
        seed: seed of the order.
        rank: rank of this process.
        world_size: number of processes that share an epoch.
        num_workers: number of worker processes; with 0, this process reads and the next four arguments have no effect.
        pin_memory: return pinned memory, if there is a GPU.
        persistent_workers: keep the workers from one epoch to the next.
        prefetch_factor: number of batches that each worker reads ahead.
        timeout_s: time limit of a batch in seconds.
        startup_s: time limit of the first batch of each worker, if it is longer than `timeout_s`.

    Attributes:
        epoch: the epoch that is being iterated over, or else the next one; starts at 0.
        current: indices of the windows in the last batch handed out, int64 [B].
        num_workers: as given, or 0 after the workers failed.
    """

    def __init__(
        self,
        dataset: EEGWindowDataset,
        batch_size: int = 32,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        *,
        num_workers: int = 4,
        pin_memory: bool = True,
        persistent_workers: bool = True,
        prefetch_factor: int = 2,
        timeout_s: float = 120.0,
        startup_s: float = STARTUP_S,
    ) -> None:
        super().__init__(seed, len(dataset), batch_size, rank, world_size)
        self._dataset = dataset
        self._pinned = pin_memory and torch.cuda.is_available()
        self._persistent, self._prefetch = persistent_workers, prefetch_factor
        self._timeout, self._startup = timeout_s, startup_s
        self._batches: list[list[int]] = []
        self._workers: Workers | None = None
        self._iteration = 0
        self.num_workers = num_workers

    def close(self) -> None:
        """Terminates the persistent workers; the next iteration starts new ones."""
        if self._workers is not None:
            self._workers.close()
        self._workers = None

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the current epoch; an iteration that started earlier ends with a RuntimeError."""
        start = self._start()
        self._iteration += 1
        return self._iterate(start.epoch, self._batches_from(start), self._iteration)

    def _iterate(self, epoch: int, plan: list[PlannedBatch], iteration: int) -> Iterator[Batch]:
        keep = False
        try:
            self._begin([planned.items.tolist() for planned in plan])
            for planned in plan:
                if iteration != self._iteration:
                    raise RuntimeError("another iteration of this loader has started; continue with that one")
                batch = self._next(planned.items.tolist())
                self.epoch, self._done = planned.after
                self.current = self._dataset.indices[planned.items]
                yield batch
            self.epoch, self._done = epoch + 1, 0
            keep = self._persistent
        except GeneratorExit:
            keep = self._persistent
            raise
        finally:
            if not keep and iteration == self._iteration:
                self.close()

    def _begin(self, batches: list[list[int]]) -> None:
        self._batches[:] = batches
        if not self.num_workers or not batches:
            return
        if self._workers is None or not self._persistent:
            self.close()
            self._workers = Workers(self._loader(), self._timeout, self._startup)
        try:
            self._workers.begin()
        except WorkersFailedError as failure:
            self._fall_back(str(failure))

    def _loader(self) -> DataLoader[Batch]:
        with suppress_worker_count_warning():
            return DataLoader(
                self._dataset,
                batch_sampler=self._batches,  # read again at the start of each epoch
                num_workers=self.num_workers,
                multiprocessing_context=START_METHOD,
                pin_memory=self._pinned,
                persistent_workers=self._persistent,
                prefetch_factor=self._prefetch,
                generator=torch.Generator(),  # the default would draw from the training's generator
            )

    def _next(self, items: list[int]) -> Batch:
        if self._workers is None:
            return self._read(items)
        try:
            x, y = self._workers.next()
            return x, y
        except WorkersFailedError as failure:
            self._fall_back(str(failure))
            return self._read(items)
        except Exception as error:  # whatever the worker raised while it read the batch
            reason = _last_line(error)
        batch = self._read(items)  # raises an error of the data itself
        self._fall_back(f"a worker could not read a batch that this process can read: {reason}")
        return batch

    def _read(self, items: list[int]) -> Batch:
        x, y = default_collate(self._dataset.__getitems__(items))
        return (x.pin_memory(), y.pin_memory()) if self._pinned else (x, y)

    def _fall_back(self, reason: str) -> None:
        self.close()
        self.num_workers, self._pinned = 0, False
        _log.warning(
            "loader: DataLoader workers terminated: %s; continuing with num_workers=0, pin_memory=false", reason
        )


def _last_line(error: Exception) -> str:
    """Last line of a worker's exception, which is the one that names the cause."""
    last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    about_memory = any(sign in last.lower() for sign in ("shm", "shared memory", "no space left"))
    return last + (shared_memory_left() if about_memory else "")
