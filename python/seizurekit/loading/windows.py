"""The windows of one split of a store, as a torch dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from seizurekit.cache.shard_cache import DEFAULT_GB
from seizurekit.cache.store import open_cache
from seizurekit.cache.windows import Windows
from seizurekit.storage.folder import Options

if TYPE_CHECKING:
    from seizurekit.signal.chain import Chain


class EEGWindowDataset(Dataset[tuple[Tensor, Tensor]]):
    """Every window of a split: an item is (signal float32 [19, T], mask uint8 [T], 1 where there is a seizure).

    The store is opened by its path anew in each process that reads, so the dataset may go to workers that are forked or
    spawned.

    Args:
        cache_dir: folder or URL of the store.
        split: ``train``, ``dev`` or ``eval``.
        window: seconds of a window.
        stride: seconds from one window's start to the next one's.
        chain: the preprocessing chain that the store must have been built with; None for whichever it was.
        storage_options: of an object store, see `open_cache`.
        local_dir: of an object store: where whole shards are kept, see `open_cache`.
        local_dir_gb: most that is kept there, GB.

    Attributes:
        numbers: for each item the number of its window in ``open_cache(…).windows(…)``, int64 [item].

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
    ) -> None:
        self._place = (os.fspath(cache_dir), split, storage_options, chain, local_dir, local_dir_gb)
        self._window, self._stride = window, stride
        self._opened: tuple[int, Windows] | None = None
        self.numbers: npt.NDArray[np.int64] = np.arange(len(self.windows), dtype=np.int64)

    @property
    def windows(self) -> Windows:
        """The windows of the store, opened in this process."""
        if self._opened is None or self._opened[0] != os.getpid():
            cache = open_cache(*self._place)
            self._opened = (os.getpid(), cache.windows(window=self._window, stride=self._stride))
        return self._opened[1]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= item < len(self):
            raise IndexError(f"item {item}: wanted one of {len(self)}")
        return self.__getitems__([item])[0]

    def __getitems__(self, items: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Several items in one read; torch's DataLoader asks for a batch so."""
        x, y = self.windows.read(self.numbers[np.asarray(items, np.int64)])
        return list(zip(torch.from_numpy(x), torch.from_numpy(y), strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}
