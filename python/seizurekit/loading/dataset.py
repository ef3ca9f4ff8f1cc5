"""The windows of one split of a store, as a torch dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from seizurekit.cache.read.shard_cache import DEFAULT_GB
from seizurekit.cache.store import open_cache
from seizurekit.cache.windows import Windows
from seizurekit.storage.folder import Options

if TYPE_CHECKING:
    from seizurekit.signal.chain import Chain

Int64 = npt.NDArray[np.int64]


class EEGWindowDataset(Dataset[tuple[Tensor, Tensor]]):
    """Every window of a split: an item is (signal float32 [19, T], mask uint8 [T], 1 where there is a seizure).

    The store is opened anew in each process that reads, its signal when the first item is read, so the dataset may go
    to workers that are spawned or, where the store is local, forked. A pickled one holds neither store nor numbers, and
    is small whatever the store.

    Args:
        cache_dir: folder or URL of the store.
        split: ``train``, ``dev`` or ``eval``.
        window: seconds of a window.
        stride: seconds from one window's start to the next one's.
        chain: the preprocessing chain that the store must have been built with; None for whichever it was.
        storage_options: of an object store, see `open_cache`.
        local_dir: of an object store: where whole shards are kept, see `open_cache`.
        local_dir_gb: most that is kept there, GB.
        limit_recordings: the windows of the first so many recordings alone; None for all.

    Raises:
        CacheError: no such store or split, or one of another chain.
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
        self._place = (os.fspath(cache_dir), split, storage_options, chain, local_dir, local_dir_gb)
        self._window, self._stride, self._limit = window, stride, limit_recordings
        self._opened: tuple[int, Windows, Int64] | None = None
        self._open()

    @property
    def windows(self) -> Windows:
        """The windows of the store, opened in this process."""
        return self._open()[1]

    @property
    def numbers(self) -> Int64:
        """For each item the number of its window in ``open_cache(…).windows(…)``, int64 [item]."""
        return self._open()[2]

    @property
    def seizure_ratio(self) -> float:
        """Share of the items' samples that are seizure, counted from the labels; NaN without items."""
        return seizure_ratio(self.windows, self.numbers)

    def _open(self) -> tuple[int, Windows, Int64]:
        if self._opened is None or self._opened[0] != os.getpid():
            windows = open_cache(*self._place).windows(self._window, self._stride, self._limit)
            self._opened = (os.getpid(), windows, self._chosen(windows))
        return self._opened

    def _chosen(self, windows: Windows) -> Int64:
        return np.arange(len(windows), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= item < len(self):
            raise IndexError(f"item {item}: wanted one of {len(self)}")
        return self.__getitems__([item])[0]

    def __getitems__(self, items: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Several items in one read; torch's DataLoader asks for a batch so."""
        # Of several workers each has one thread: together they are as many as there are processors, or more.
        threads = None if get_worker_info() is None else 1
        x, y = self.windows.read(self.numbers[np.asarray(items, np.int64)], threads=threads)
        return list(zip(torch.from_numpy(x), torch.from_numpy(y), strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}


def seizure_ratio(windows: Windows, numbers: Int64) -> float:
    """Share of the samples of the given windows that are seizure, exactly; NaN for no windows."""
    if len(numbers) == 0:
        return float("nan")
    return int(windows.seizure_samples[numbers].sum()) / (len(numbers) * windows.length)
