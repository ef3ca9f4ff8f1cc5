"""Batches of windows, read ahead by threads of this process.

The reading is C++ that releases Python's GIL, so worker processes would gain nothing. Threads avoid what processes
cost: start-up time, copies through shared memory, and hangs when a worker dies.
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
from itertools import islice
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seizurekit.cache.read.block_cache import BLOCK_CHUNKS, BlockCache
from seizurekit.cache.read.signal_reader import default_threads, to_dtype
from seizurekit.cache.windows import Windows
from seizurekit.errors import CacheError
from seizurekit.loading.buffers import Buffers
from seizurekit.loading.order import POOL_BLOCKS, EpochCursor, Int64, PlannedBatch, Position, block_order, check_range
from seizurekit.loading.protocol import Batch
from seizurekit.loading.to_device import ToDevice, as_tensor, host_array
from seizurekit.loading.window_set import WindowSet, balanced_set, every_window

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _ReadBatch:
    """A batch that has been read; `skipped` of its windows are unreadable, the first for `reason`."""

    x: Tensor
    y: Tensor
    indices: Int64
    skipped: int
    reason: str


class _EarlyBatches:
    """Batches of an epoch that are read before the epoch starts, in this process."""

    def __init__(self, epoch: int = -1, batches: Sequence[Future[_ReadBatch]] = ()) -> None:
        self._epoch, self._batches, self._process = epoch, deque(batches), os.getpid()

    def take(self, start: Position) -> deque[Future[_ReadBatch]]:
        """The batches, once, if an iteration starts with them; else none."""
        batches, self._batches = self._batches, deque()
        return batches if (self._epoch, 0, self._process) == (*start, os.getpid()) else deque()


class WindowLoader(EpochCursor):
    """Iterates over windows of a split in batches, one epoch per iteration.

    A batch is (x [B, 19, T] of `dtype`, y uint8 [B, T], 1 where there is a seizure). A tensor's memory is reused only
    after the caller has dropped it. The last batch of an epoch may be smaller.

    The order is a pure function of `seed`, `epoch`, `rank` and `world_size`. Each window of the set occurs once per
    epoch, on one rank, and all ranks have the same number of batches. Leaving an iteration early, in any way, ends its
    threads; the next iteration restarts the epoch.

    Args:
        windows: windows of an open store, ``open_cache(…).windows(…)``, or a set of them.
        batch_size: windows per batch of this rank.
        seed: seed of the balanced draw and of the order.
        balanced: draw the balanced set of `windows`, see `balanced_choice`; False uses every window. A `WindowSet` is
            used unchanged.
        rank: rank of this process.
        world_size: number of processes that share an epoch.
        shuffle: ``"window"`` puts all windows in random order. ``"block"`` puts blocks of ten minutes in random order
            and mixes the windows of 32 blocks, which needs fewer and larger requests to an object store. None keeps
            the order of the store.
        drop_last: drop the windows that do not fill a batch of every rank.
        prefetch: number of batches to read ahead.
        threads: number of reading threads; by default one per CPU (at most 8) for a local store, and one per
            prefetched batch for an object store.
        dtype: float32, float16, bfloat16, or int16 in units of the store's step.
        device: device to copy batches to, on a stream of their own; None leaves them in host memory.
        on_error: for windows that cannot be read: ``"raise"`` a CacheError, or ``"skip"`` them, count them in
            `skipped` and log one warning per epoch.
        dequantize_on_device: send int16 to the device and convert it to `dtype` there, which halves the transfer of
            float32.

    Attributes:
        window_set: the windows of an epoch.
        epoch: the epoch that is being iterated over, or else the next one; starts at 0.
        skipped: number of unreadable windows so far.
        waited: seconds that the consumer has waited so far.
        current: indices of the windows in the last batch handed out, int64 [B].

    Raises:
        CacheError: balanced, and no window contains a seizure.
        ValueError: an argument is out of range, or there are fewer windows than ranks.
    """

    def __init__(
        self,
        windows: Windows | WindowSet,
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
        check_range("seed", seed, 0)
        check_range("prefetch", prefetch, 1)
        check_range("threads", 1 if threads is None else threads, 1)
        _check_choice("shuffle", shuffle, ("window", "block", None))
        _check_choice("on_error", on_error, ("raise", "skip"))
        if isinstance(windows, WindowSet):
            self.window_set = windows
        else:
            self.window_set = balanced_set(windows, seed) if balanced else every_window(windows)
        super().__init__(seed, len(self.window_set), batch_size, rank, world_size, drop_last=drop_last)
        self._windows, cache = self.window_set.windows, self.window_set.cache
        self._shuffle, self._on_error = shuffle, on_error
        remote = not cache.folder.is_local
        self._prefetch = prefetch
        self._threads = threads if threads is not None else prefetch if remote else min(default_threads(), prefetch)
        as_dtype = to_dtype(dtype)
        self._to_device = ToDevice(device, as_dtype, cache.step, dequantize=dequantize_on_device)
        shape = (batch_size, len(cache.channels), self._windows.length)
        pinned = self._to_device.is_cuda
        kept = prefetch + 2
        self._x_buffers = Buffers(partial(host_array, shape, self._to_device.host_dtype, pinned), kept)
        self._y_buffers = Buffers(partial(host_array, shape[::2], np.dtype(np.uint8), pinned), kept)
        self._blocks = self._block_cache() if shuffle == "block" and remote else None
        self.skipped, self.waited = 0, 0.0
        self._early = _EarlyBatches()

    @property
    def indices(self) -> Int64:
        """Indices of the windows of the set, ascending, int64."""
        return self.window_set.indices

    @property
    def seizure_ratio(self) -> float:
        """Exact fraction of the set's samples that are seizure."""
        return self.window_set.seizure_ratio

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the current epoch, from its start or from the position that was set or loaded."""
        return self._iterate(self._start())

    def state_dict(self) -> dict[str, Any]:
        """The loader's position after the last batch handed out, as plain numbers and strings."""
        return {"seed": self._seed, "epoch": self.epoch, "done": self._done, "set": self._fingerprint()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next iteration resume with the batch that follows the given state.

        Batch size and world size may differ; the rest of the epoch is then divided by the new ones.

        Raises:
            ValueError: the state belongs to another seed or to another set of windows.
        """
        for name, own in (("seed", self._seed), ("set", self._fingerprint())):
            if state[name] != own:
                raise ValueError(
                    f"loader state: {name} is {state[name]!r}, expected {own!r}; the state is from another loader"
                )
        self.set_epoch(int(state["epoch"]), int(state["done"]))

    def _fingerprint(self) -> str:
        options = f"{self._windows.length} {self._windows.stride} {self._shuffle} {self._drop_last}".encode()
        digest = hashlib.sha256(options + self.indices.tobytes())
        return f"{len(self.indices)} windows {digest.hexdigest()[:16]}"

    def _order(self, epoch: int) -> Int64:
        if self._shuffle == "window":
            return super()._order(epoch)
        if self._shuffle == "block":
            first_chunk = self._windows.first_samples(self.indices) // self._windows.cache.chunk
            return block_order(self._seed, epoch, first_chunk // BLOCK_CHUNKS)
        return np.arange(len(self.indices))

    def _block_cache(self) -> BlockCache:
        cache = self._windows.cache
        reach = -(-self._windows.length // cache.chunk)
        raw = (BLOCK_CHUNKS + reach) * cache.chunk * len(cache.channels) * 2
        return BlockCache(2 * POOL_BLOCKS * raw, reach)

    def _iterate(self, start: Position) -> Iterator[Batch]:
        epoch, process = start.epoch, os.getpid()
        skipped_before, reason, complete = self.skipped, "", False
        plan = self._batches_from(start)
        ahead = self._early.take(start)
        requests = islice(self._requests(plan, epoch), len(ahead), None)
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="WindowLoader")
        try:
            for planned in plan:
                while len(ahead) < self._prefetch and (items := next(requests, None)) is not None:
                    ahead.append(pool.submit(self._read, items))
                read = self._wait_for(ahead.popleft())
                if os.getpid() != process:
                    raise RuntimeError("this iteration was started in another process; start a new one in this process")
                self.epoch, self._done = planned.after
                self.skipped += read.skipped
                reason = reason or read.reason
                if len(read.x):
                    self.current = read.indices
                    batch = self._to_device.hand_over(read.x, read.y)
                    del read  # so that the caller holds the only reference
                    yield batch
                    del batch
            self.epoch, self._done, complete = epoch + 1, 0, True
            self._early = _EarlyBatches(epoch + 1, ahead)
        finally:
            if os.getpid() == process:  # a forked process has none of these threads
                # At the end of an epoch the threads end by themselves, after reading the early batches.
                pool.shutdown(wait=not complete, cancel_futures=not complete)
            if skipped := self.skipped - skipped_before:
                _log.warning(
                    "epoch %d: skipped %d windows that could not be read; the first: %s", epoch, skipped, reason
                )

    def _requests(self, plan: Sequence[PlannedBatch], epoch: int) -> Iterator[Int64]:
        """The items to read: an epoch's batches, and then the next epoch's, so that it starts without waiting."""
        yield from (planned.items for planned in plan)
        yield from (planned.items for planned in self._batches_from(Position(epoch + 1, 0)))

    def _wait_for(self, future: Future[_ReadBatch]) -> _ReadBatch:
        began = time.perf_counter()
        try:
            return future.result()
        finally:
            self.waited += time.perf_counter() - began

    def _read(self, items: Int64) -> _ReadBatch:
        indices = self.indices[items]
        x, y = self._x_buffers.take()[: len(indices)], self._y_buffers.take()[: len(indices)]
        failed = self._windows.fill(indices, x, y, threads=1, blocks=self._blocks)
        if not failed:
            return _ReadBatch(*self._to_device.send(as_tensor(x), as_tensor(y)), indices, 0, "")
        reason = self._windows.describe(failed[0], indices)
        if self._on_error == "raise":
            raise CacheError(reason)
        readable = np.setdiff1d(np.arange(len(indices)), [each.window for each in failed])
        sent = self._to_device.send(as_tensor(x[readable]), as_tensor(y[readable]))
        return _ReadBatch(*sent, indices[readable], len(indices) - len(readable), reason)


def _check_choice(name: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(repr, known))}")
