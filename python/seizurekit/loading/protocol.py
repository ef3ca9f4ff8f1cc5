"""What training needs from a loader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeAlias

from torch import Tensor

from seizurekit.loading.order import Int64

Batch: TypeAlias = tuple[Tensor, Tensor]
"""Windows [B, 19, T] and their masks uint8 [B, T]."""


class Loader(Protocol):
    """Batches of windows, one epoch per iteration."""

    @property
    def current(self) -> Int64:
        """Indices of the windows in the last batch handed out, int64 [B]."""

    def __len__(self) -> int:
        """Number of batches in a whole epoch of this rank."""

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the rest of the current epoch."""

    def set_epoch(self, epoch: int, done: int = 0) -> None:
        """Sets the epoch of the next iteration, without the first `done` windows, counted over all ranks."""

    def remaining(self) -> list[int]:
        """Number of windows, over all ranks, in each batch of the next iteration."""
