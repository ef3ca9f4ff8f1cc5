"""Batches by torch's DataLoader, whose worker processes are watched."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from seizurekit.loading.order import Division, epoch_order
from seizurekit.loading.windows import EEGWindowDataset

_SHARED_MEMORY = Path("/dev/shm")
_GRACE_S = 2.0
_log = logging.getLogger(__name__)


class TorchLoader:
    """Batches of a dataset by torch's DataLoader, in the order in which WindowLoader would hand them out.

    Workers are spawned, not forked: a forked one inherits locks of threads that it has not, those of an object store's
    client and of OpenMP among them, and hangs. When a batch does not come within `timeout_s`, or a worker dies, the
    workers are ended, one warning says so and why, and loading goes on in this process, with the very next batch. An
    exception in the reading itself is raised, as it would be without workers.

    Args:
        dataset: whose items are batched.
        batch_size: items a batch of this rank.
        seed: of the order.
        rank: of this process.
        world_size: number of processes that share an epoch.
        num_workers: processes that read; 0 for this one alone.
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
        self._division = Division(len(dataset), batch_size, world_size, drop_last=False)
        self._rank = rank
        self._pinned = pin_memory and torch.cuda.is_available()
        self._persistent, self._ahead, self._timeout = persistent_workers, prefetch_factor, timeout_s
        self._batches = _Batches()
        self._generator = torch.Generator()  # or DataLoader would draw from the one of the training
        self._loader: DataLoader[tuple[Tensor, Tensor]] | None = None
        self._iterator: Any = None
        self.num_workers = num_workers
        self.epoch = 0
        self.current: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def close(self) -> None:
        """Ends the workers that stay from epoch to epoch; the next iteration begins new ones."""
        self._end_workers()

    def __len__(self) -> int:
        """Batches in an epoch of this rank."""
        return len(self._division.ends())

    def set_epoch(self, epoch: int) -> None:
        """Makes the next iteration that of another epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Goes through the next epoch."""
        order = epoch_order(self._seed, self.epoch, len(self._dataset))
        batches = [order[part].tolist() for part in self._division.of_rank(self._rank)]
        self.epoch += 1
        done = 0
        if self.num_workers:
            known = set(multiprocessing.active_children())
            try:
                for batch in self._by_workers(batches):
                    self.current = self._dataset.numbers[batches[done]]
                    done += 1
                    yield batch
            except RuntimeError as error:
                if str(error).startswith("Caught "):  # an exception of the dataset's, out of a worker
                    raise
                why = _why(error, set(multiprocessing.active_children()) - known)
                self._end_workers()
                _end(set(multiprocessing.active_children()) - known)
                self.num_workers, self._pinned = 0, False
                _log.warning(
                    "loader: the workers were ended: %s; loading goes on with num_workers=0, pin_memory=false", why
                )
        for batch in self._in_this_process(batches[done:]):
            self.current = self._dataset.numbers[batches[done]]
            done += 1
            yield batch

    def _by_workers(self, batches: list[list[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        self._batches.batches = batches
        if self._loader is None or not self._persistent:
            self._loader = DataLoader(
                self._dataset,
                batch_sampler=self._batches,
                num_workers=self.num_workers,
                multiprocessing_context="spawn",
                pin_memory=self._pinned,
                persistent_workers=self._persistent,
                prefetch_factor=self._ahead,
                timeout=self._timeout,
                generator=self._generator,
            )
        self._iterator = iter(self._loader)
        yield from self._iterator
        if not self._persistent:
            self._iterator = None

    def _end_workers(self) -> None:
        # Without this torch's handler would take the end of each for a failure, and raise wherever it happens to be.
        if self._iterator is not None:
            self._iterator._shutdown_workers()
        self._loader = self._iterator = None

    def _in_this_process(self, batches: list[list[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        if batches:
            yield from DataLoader(
                self._dataset, batch_sampler=batches, pin_memory=self._pinned, generator=self._generator
            )


class _Batches(Sampler[list[int]]):
    """The batches of the epoch at hand; workers that stay ask for them anew each epoch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _why(error: RuntimeError, workers: set[BaseProcess]) -> str:
    told = " ".join(str(error).split()).rstrip(".")
    if _SHARED_MEMORY.is_dir():
        free = shutil.disk_usage(_SHARED_MEMORY).free
        if "Bus error" in told or free < 2**26:
            told += f"; {_SHARED_MEMORY} has {free / 1e6:.0f} MB left, give the container more shared memory"
    alive = sum(worker.is_alive() for worker in workers)
    return f"{told}; {alive} of them were alive"


def _end(workers: set[BaseProcess]) -> None:
    """Ends processes: asks, and then does not ask."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(_GRACE_S)
        if worker.is_alive():
            worker.kill()
            worker.join()
