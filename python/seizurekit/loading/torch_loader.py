"""Batches by torch's DataLoader, whose worker processes are watched."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from seizurekit.loading.dataset import EEGWindowDataset
from seizurekit.loading.order import Division, epoch_order
from seizurekit.loading.workers import Workers, WorkersFailedError, few_processors_are_no_news, shared_memory_left

Batch: TypeAlias = tuple[Tensor, Tensor]
_log = logging.getLogger(__name__)


class TorchLoader:
    """Batches of a dataset by torch's DataLoader, in the order in which WindowLoader would hand them out.

    Workers are spawned. Forked ones start in 0.3 s and not in 3, but inherit every lock that some thread happens to
    hold, hang for ever where an object store was read before, and are warned of by Python 3.12; and workers that stay
    are started once a training. (A fork server would keep the environment, and so the credentials, that it began with.)

    When a batch does not come within `timeout_s`, or a worker dies, the workers are ended, one warning says so and why,
    and loading goes on in this process, with the very next batch. So it does where a worker cannot read a batch that
    this process can, as when there is too little shared memory. An exception of the data itself is raised.

    Args:
        dataset: whose items are batched.
        batch_size: items a batch of this rank.
        seed: of the order.
        rank: of this process.
        world_size: number of processes that share an epoch.
        num_workers: processes that read; 0 for this one alone, and then the next four change nothing.
        pin_memory: hand out pinned memory; only where there is a GPU.
        persistent_workers: keep the workers from one epoch to the next.
        prefetch_factor: batches that each worker reads ahead.
        timeout_s: most that a batch may take, s.

    Attributes:
        epoch: the epoch that comes next; from 0.
        current: numbers of the windows in the batch last handed out, int64.
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
    ) -> None:
        self._dataset, self._seed = dataset, seed
        self._batch_size, self._rank, self._world = batch_size, rank, world_size
        self._pinned = pin_memory and torch.cuda.is_available()
        self._persistent, self._ahead, self._timeout = persistent_workers, prefetch_factor, timeout_s
        self._batches: list[list[int]] = []
        self._workers: Workers | None = None
        self._iteration = 0
        self._done = 0
        self.num_workers = num_workers
        self.epoch = 0
        self.current: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def close(self) -> None:
        """Ends the workers that stay from epoch to epoch; the next iteration begins new ones."""
        if self._workers is not None:
            self._workers.close()
        self._workers = None

    def __len__(self) -> int:
        """Batches in an epoch of this rank."""
        return len(self._division(0).ends())

    def set_epoch(self, epoch: int, done: int = 0) -> None:
        """Makes the next iteration that of another epoch, less the windows that were `done` of it on all ranks."""
        self.epoch, self._done = epoch, done

    def remaining(self) -> list[int]:
        """Windows that each batch has on all ranks together, of those that the next iteration goes through."""
        return self._division(self._done).sizes()

    def _division(self, done: int) -> Division:
        return Division(len(self._dataset) - done, self._batch_size, self._world, drop_last=False)

    def __iter__(self) -> Iterator[Batch]:
        """Goes through the next epoch; an iteration begun before ends with a RuntimeError."""
        order = epoch_order(self._seed, self.epoch, len(self._dataset))[self._done :]
        batches = [order[part].tolist() for part in self._division(self._done).of_rank(self._rank)]
        self.epoch, self._done = self.epoch + 1, 0
        self._iteration += 1
        return self._iterate(batches, self._iteration)

    def _iterate(self, batches: list[list[int]], iteration: int) -> Iterator[Batch]:
        keep = False
        try:
            self._begin(batches)
            for items in batches:
                if iteration != self._iteration:
                    raise RuntimeError("another iteration of this loader was begun; go on with that one")
                batch = self._next(items)
                self.current = self._dataset.numbers[items]
                yield batch
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
            self._workers = Workers(self._loader(), self._timeout)
        try:
            self._workers.begin()
        except WorkersFailedError as failure:
            self._do_without(str(failure))

    def _loader(self) -> DataLoader[Batch]:
        with few_processors_are_no_news():
            return DataLoader(
                self._dataset,
                batch_sampler=self._batches,  # asked for anew each epoch
                num_workers=self.num_workers,
                multiprocessing_context="spawn",
                pin_memory=self._pinned,
                persistent_workers=self._persistent,
                prefetch_factor=self._ahead,
                generator=torch.Generator(),  # or it would draw from the training's
            )

    def _next(self, items: list[int]) -> Batch:
        if self._workers is None:
            return self._read(items)
        try:
            x, y = self._workers.next()
            return x, y
        except WorkersFailedError as failure:
            self._do_without(str(failure))
            return self._read(items)
        except Exception as error:
            why = _cause(error)
        batch = self._read(items)  # raises what is the data's own
        self._do_without(f"a worker could not read a batch that this process can: {why}")
        return batch

    def _read(self, items: list[int]) -> Batch:
        x, y = default_collate(self._dataset.__getitems__(items))
        return (x.pin_memory(), y.pin_memory()) if self._pinned else (x, y)

    def _do_without(self, why: str) -> None:
        self.close()
        self.num_workers, self._pinned = 0, False
        _log.warning("loader: the workers were ended: %s; loading goes on with num_workers=0, pin_memory=false", why)


def _cause(error: Exception) -> str:
    """A worker's exception in one line; its text, as torch passes it on, ends with the line that counts."""
    last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    about_memory = any(sign in last.lower() for sign in ("shm", "shared memory", "no space left"))
    return last + (shared_memory_left() if about_memory else "")
