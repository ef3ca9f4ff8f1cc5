"""The windows of one split of a store as torch datasets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from seizurekit.cache.read.shard_cache import DEFAULT_GB
from seizurekit.cache.store import open_cache
from seizurekit.cache.windows import Windows
from seizurekit.loading.order import Int64
from seizurekit.loading.window_set import WindowSet, balanced_set, every_window
from seizurekit.storage.folder import Options

if TYPE_CHECKING:
    from seizurekit.signal.chain import Chain


class EEGWindowDataset(Dataset[tuple[Tensor, Tensor]]):
    """Every window of a split. An item is (signal float32 [19, T], mask uint8 [T], 1 where there is a seizure).

    Each process opens the store for itself, and reads no signal before its first item. The dataset therefore works in
    spawned workers and, if the store is local, in forked ones. A pickled dataset contains neither the store nor the
    window indices, and is small for any store.

    Args:
        cache_dir: folder or URL of the store.
        split: ``train``, ``dev`` or ``eval``.
        window: length of a window in seconds.
        stride: seconds from the start of one window to the start of the next.
        chain: preprocessing chain that the store must have been built with; None accepts any.
        storage_options: options of an object store, see `open_cache`.
        local_dir: folder in which shards of an object store are kept, see `open_cache`.
        local_dir_gb: size limit of that folder in GB.
        limit_recordings: use the windows of this many recordings only; None uses all.

    Raises:
        CacheError: there is no such store or split, or it was built with another chain.
    """

    def __init__(
        self,
        cache_dir: str | os.PathLike[str],
        split: str = "train",
        *,
        window: float = 60.0,
        stride: float = 10.0,
        chain: Chain | None = None,
        storage_options: Options | None = None,
        local_dir: str | os.PathLike[str] | None = None,
        local_dir_gb: float = DEFAULT_GB,
        limit_recordings: int | None = None,
    ) -> None:
        self._store = (os.fspath(cache_dir), split, storage_options, chain, local_dir, local_dir_gb)
        self._window, self._stride, self._limit = window, stride, limit_recordings
        self._opened: tuple[int, WindowSet] | None = None
        self._open()

    @property
    def window_set(self) -> WindowSet:
        """The windows that are the items of this dataset, opened in this process."""
        return self._open()

    @property
    def windows(self) -> Windows:
        """All windows of the split, opened in this process."""
        return self.window_set.windows

    @property
    def indices(self) -> Int64:
        """Index of each item's window in ``open_cache(…).windows(…)``, int64 [item]."""
        return self.window_set.indices

    @property
    def seizure_ratio(self) -> float:
        """Exact fraction of the items' samples that are seizure, counted from the labels; NaN without items."""
        return self.window_set.seizure_ratio

    def _open(self) -> WindowSet:
        if self._opened is None or self._opened[0] != os.getpid():
            windows = open_cache(*self._store).windows(self._window, self._stride, self._limit)
            self._opened = os.getpid(), self._select(windows)
        return self._opened[1]

    def _select(self, windows: Windows) -> WindowSet:
        return every_window(windows)

    def __len__(self) -> int:
        return len(self.window_set)

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= item < len(self):
            raise IndexError(f"item {item} is out of range for {len(self)} items")
        return self.__getitems__([item])[0]

    def __getitems__(self, items: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Several items in one read. torch's DataLoader calls this for each batch."""
        # One thread per worker: the workers together already keep the CPUs busy.
        threads = None if get_worker_info() is None else 1
        x, y = self.windows.read(self.indices[np.asarray(items, np.int64)], threads=threads)
        return list(zip(torch.from_numpy(x), torch.from_numpy(y), strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}


class BalancedSeizureDataset(EEGWindowDataset):
    """The balanced set of a split: its partly-seizure windows, with some all-seizure and some background windows.

    `balanced_choice` describes the draw, including that with too few windows of a kind. Items, arguments and errors are
    those of `EEGWindowDataset`; in addition:

    Args:
        seed: seed of the draw; the same seed draws the same windows.

    Raises:
        CacheError: no window of the split contains a seizure; the message says what to check.
    """

    def __init__(
        self,
        cache_dir: str | os.PathLike[str],
        split: str = "train",
        *,
        window: float = 60.0,
        stride: float = 10.0,
        chain: Chain | None = None,
        storage_options: Options | None = None,
        local_dir: str | os.PathLike[str] | None = None,
        local_dir_gb: float = DEFAULT_GB,
        limit_recordings: int | None = None,
        seed: int = 0,
    ) -> None:
        self._seed = seed
        super().__init__(
            cache_dir,
            split,
            window=window,
            stride=stride,
            chain=chain,
            storage_options=storage_options,
            local_dir=local_dir,
            local_dir_gb=local_dir_gb,
            limit_recordings=limit_recordings,
        )

    def _select(self, windows: Windows) -> WindowSet:
        return balanced_set(windows, self._seed)
