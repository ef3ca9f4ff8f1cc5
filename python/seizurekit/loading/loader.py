"""Batches of windows, read ahead by threads of this process.

Threads, not worker processes: the reading is C++ that holds no lock of Python's, so nothing is gained by processes, and
what they cost is gone: start-up, copies through shared memory, and the hangs of a worker that is lost.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seizurekit.cache.read.blocks import BLOCK_CHUNKS, BlockCache
from seizurekit.cache.read.local import default_threads, dtype_of
from seizurekit.cache.windows import Windows
from seizurekit.errors import CacheError
from seizurekit.loading.balanced import balanced_windows
from seizurekit.loading.buffers import Buffers
from seizurekit.loading.dataset import seizure_ratio
from seizurekit.loading.order import POOL_BLOCKS, Division, block_order, epoch_order
from seizurekit.loading.to_device import ToDevice, host_array, tensor_of

Int64 = npt.NDArray[np.int64]
Batch: TypeAlias = tuple[Tensor, Tensor]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Read:
    """A batch that was read; `left_out` of its windows could not be."""

    x: Tensor
    y: Tensor
    numbers: Int64
    left_out: int
    reason: str


class _Early:
    """Batches of an epoch that were read before it began, in the process that did."""

    def __init__(self, epoch: int = -1, batches: Sequence[Future[_Read]] = ()) -> None:
        self._epoch, self._batches, self._process = epoch, deque(batches), os.getpid()

    def taken(self, epoch: int, done: int) -> deque[Future[_Read]]:
        """Those of that epoch's start; none where it is another, or they were taken before."""
        batches, self._batches = self._batches, deque()
        return batches if (self._epoch, 0, self._process) == (epoch, done, os.getpid()) else deque()


class WindowLoader:
    """Iterates over a split's windows in batches, an epoch an iteration.

    A batch is (x [B, 19, T] of `dtype`, y uint8 [B, T], 1 where there is a seizure). A tensor is the caller's for as
    long as it holds it; its memory is used again only then. The last batch of an epoch may be smaller.

    The order is a pure function of `seed`, `epoch`, `rank` and `world_size`: every window of the set comes once an
    epoch, to one rank, and all ranks have as many batches. Leaving an iteration early, by whatever way, ends its
    threads.

    Args:
        windows: of an open store, ``open_cache(…).windows(…)``.
        batch_size: windows a batch of this rank.
        seed: of the balanced draw and of the order.
        balanced: draw the balanced set, see `balanced_choice`; else every window.
        rank: of this process.
        world_size: number of processes that share an epoch.
        shuffle: ``"window"``: any window after any other. ``"block"``: blocks of ten minutes in random order, and the
            windows of 32 blocks mixed with one another, so that an object store is asked for few, large parts. None:
            in the store's order.
        drop_last: leave out what does not fill a batch of every rank.
        prefetch: batches that are read ahead.
        threads: that read; by default one a processor (at most 8), and one a batch ahead of an object store.
        dtype: float32, float16, bfloat16, or int16, of which one unit is the store's step.
        device: where batches go, on a stream of their own; None leaves them in the host's memory.
        on_error: what becomes of windows that cannot be read: ``"raise"`` CacheError, or ``"skip"``: they are left out,
            counted in `skipped`, and told of in one warning an epoch.
        dequantize_on_device: send int16 to the device and make `dtype` of it there: half the transfer of float32.

    Attributes:
        numbers: int64, the windows of the set, ascending.
        seizure_ratio: share of their samples that are seizure, exactly.
        epoch: the epoch that is iterated over, or comes next; from 0.
        skipped: windows that could not be read, so far.
        waited: seconds for which the consumer waited, so far.
        current: int64, the windows in the batch last handed out.

    Raises:
        CacheError: balanced, and no window has a seizure.
        ValueError: an argument that is out of its range, or fewer windows than ranks.
    """

    def __init__(
        self,
        windows: Windows,
        batch_size: int = 32,
        seed: int = 0,
        balanced: bool = True,
        rank: int = 0,
        world_size: int = 1,
        *,
        shuffle: Literal["window", "block"] | None = "window",
        drop_last: bool = False,
        prefetch: int = 4,
        threads: int | None = None,
        dtype: npt.DTypeLike | str = "float32",
        device: str | torch.device | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        dequantize_on_device: bool = False,
    ) -> None:
        _check_range("batch_size", batch_size, 1)
        _check_range("prefetch", prefetch, 1)
        _check_range("seed", seed, 0)
        _check_range("threads", 1 if threads is None else threads, 1)
        _check_range("rank", rank, 0, world_size - 1)
        _check_choice("shuffle", shuffle, ("window", "block", None))
        _check_choice("on_error", on_error, ("raise", "skip"))
        self._windows, self._seed = windows, seed
        self._batch_size, self._rank, self._world = batch_size, rank, world_size
        self._shuffle, self._drop_last, self._on_error = shuffle, drop_last, on_error
        remote = not windows.cache.folder.is_local
        self._prefetch = prefetch
        self._threads = threads if threads is not None else prefetch if remote else min(default_threads(), prefetch)
        self._dtype = dtype_of(dtype)
        self._to_device = ToDevice(device, self._dtype, windows.cache.step, dequantize=dequantize_on_device)
        self.numbers = balanced_windows(windows, seed) if balanced else np.arange(len(windows), dtype=np.int64)
        if len(self.numbers) < world_size:
            raise ValueError(f"windows: found {len(self.numbers)}, wanted at least one for each of {world_size} ranks")
        self.seizure_ratio = seizure_ratio(windows, self.numbers)
        shape = (batch_size, len(windows.cache.channels), windows.length)
        pinned = self._to_device.is_cuda
        kept = prefetch + 2
        self._x_buffers = Buffers(partial(host_array, shape, self._to_device.read_as, pinned), kept)
        self._y_buffers = Buffers(partial(host_array, shape[::2], np.dtype(np.uint8), pinned), kept)
        self._blocks = self._block_cache() if shuffle == "block" and remote else None
        self.epoch, self.skipped, self.waited = 0, 0, 0.0
        self.current: Int64 = self.numbers[:0]
        self._done = 0
        self._resumed = False
        self._early = _Early()

    def __len__(self) -> int:
        """Batches in a whole epoch of this rank."""
        return len(self._division(0).ends())

    def remaining(self) -> list[int]:
        """Windows that each batch has on all ranks together, of those that the next iteration goes through."""
        done = self._done if self._resumed else 0
        return self._division(done).sizes()

    def __iter__(self) -> Iterator[Batch]:
        """Goes through the current epoch from its start, or from where a loaded state stands."""
        if not self._resumed:
            self._done = 0
        self._resumed = False
        return self._iterate(self.epoch, self._done)

    def set_epoch(self, epoch: int, done: int = 0) -> None:
        """Makes the next iteration that of another epoch, less the windows that were `done` of it on all ranks."""
        _check_range("epoch", epoch, 0)
        _check_range("done", done, 0, len(self.numbers))
        self.epoch, self._done, self._resumed = epoch, done, done > 0

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands: after the batch last handed out. Plain numbers and strings."""
        return {"seed": self._seed, "epoch": self.epoch, "done": self._done, "set": self._fingerprint()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next iteration go on with the batch after the last of that state.

        The batch size may be another, and so may the world size: what is left of the epoch is then divided anew.

        Raises:
            ValueError: a state of another seed, or of another set of windows.
        """
        for name, own in (("seed", self._seed), ("set", self._fingerprint())):
            if state[name] != own:
                raise ValueError(f"loader state: {name}: found {state[name]!r}, wanted {own!r}: it is of other windows")
        self.epoch, self._done = int(state["epoch"]), int(state["done"])
        self._resumed = True

    def _fingerprint(self) -> str:
        told = f"{self._windows.length} {self._windows.stride} {self._shuffle} {self._drop_last}".encode()
        digest = hashlib.sha256(told + self.numbers.tobytes())
        return f"{len(self.numbers)} windows {digest.hexdigest()[:16]}"

    def _order(self, epoch: int) -> Int64:
        """The windows in an epoch's order."""
        if self._shuffle == "window":
            return self.numbers[epoch_order(self._seed, epoch, len(self.numbers))]
        if self._shuffle == "block":
            first_chunk = self._windows.first_samples(self.numbers) // self._windows.cache.chunk
            return self.numbers[block_order(self._seed, epoch, first_chunk // BLOCK_CHUNKS)]
        return self.numbers

    def _own(self, epoch: int, done: int) -> list[Int64]:
        """The windows of each of this rank's batches in what is left of an epoch."""
        rest = self._order(epoch)[done:]
        return [rest[part] for part in self._division(done).of_rank(self._rank)]

    def _block_cache(self) -> BlockCache:
        cache = self._windows.cache
        reach = -(-self._windows.length // cache.chunk)
        raw = (BLOCK_CHUNKS + reach) * cache.chunk * len(cache.channels) * 2
        return BlockCache(2 * POOL_BLOCKS * raw, reach)

    def _division(self, done: int) -> Division:
        return Division(len(self.numbers) - done, self._batch_size, self._world, self._drop_last)

    def _iterate(self, epoch: int, done: int) -> Iterator[Batch]:
        own, ends = self._own(epoch, done), (self._division(done).ends() + done).tolist()
        following: list[Int64] | None = None
        process = os.getpid()
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="WindowLoader")
        ahead = self._early.taken(epoch, done)
        early: list[Future[_Read]] = []
        before, reason, whole = self.skipped, "", False
        try:
            for i, end in enumerate(ends):
                while len(ahead) + len(early) < self._prefetch:
                    if i + len(ahead) < len(own):
                        ahead.append(pool.submit(self._read, own[i + len(ahead)]))
                        continue
                    # The next epoch's first batches, so that it begins as if it were this one's middle.
                    following = self._own(epoch + 1, 0) if following is None else following
                    if len(early) == len(following):
                        break
                    early.append(pool.submit(self._read, following[len(early)]))
                read = self._waited_for(ahead.popleft())
                if os.getpid() != process:
                    raise RuntimeError("a WindowLoader's iteration was begun in another process; begin one in this")
                self._done = end
                self.skipped += read.left_out
                reason = reason or read.reason
                if i + 1 == len(ends):
                    self.epoch, self._done = epoch + 1, 0
                if len(read.x):
                    self.current = read.numbers
                    batch = self._to_device.handed_over(read.x, read.y)
                    del read  # the caller's drop is then the last
                    yield batch
                    del batch
            self.epoch, self._done, whole = epoch + 1, 0, True
            self._early = _Early(epoch + 1, early)
        finally:
            if os.getpid() == process:  # a forked process has none of these threads
                # At an epoch's end the threads end by themselves, when they have read what is early.
                pool.shutdown(wait=not whole, cancel_futures=not whole)
            if self.skipped > before:
                _log.warning(
                    "epoch %d: %d windows could not be read and were left out, the first because of %s",
                    epoch,
                    self.skipped - before,
                    reason,
                )

    def _waited_for(self, future: Future[_Read]) -> _Read:
        began = time.perf_counter()
        try:
            return future.result()
        finally:
            self.waited += time.perf_counter() - began

    def _read(self, numbers: Int64) -> _Read:
        x, y = self._x_buffers.take()[: len(numbers)], self._y_buffers.take()[: len(numbers)]
        failed = self._windows.fill(numbers, x, y, threads=1, blocks=self._blocks)
        if not failed:
            return _Read(*self._to_device.sent(tensor_of(x), tensor_of(y)), numbers, 0, "")
        told = self._windows.told(failed[0], numbers)
        if self._on_error == "raise":
            raise CacheError(told)
        whole = np.setdiff1d(np.arange(len(numbers)), [each.window for each in failed])
        left_out = len(numbers) - len(whole)
        return _Read(*self._to_device.sent(tensor_of(x[whole]), tensor_of(y[whole])), numbers[whole], left_out, told)


def _check_range(name: str, value: int, least: int, most: int | None = None) -> None:
    if value < least or (most is not None and value > most):
        raise ValueError(f"{name}: found {value}, wanted {least} {'or more' if most is None else f'to {most}'}")


def _check_choice(name: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}: found {value!r}, wanted one of {', '.join(map(repr, known))}")
