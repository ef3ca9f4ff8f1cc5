"""Reading stretches of a split's signal into batches: from local shards, or from those of an object store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from seizurekit._core import cache as core
from seizurekit.cache.layout import CHUNKS_A_SHARD, shard_name
from seizurekit.storage.local import LocalFolder

if TYPE_CHECKING:
    from seizurekit.cache.read.blocks import BlockCache

NUMBERS = ("float32", "float16", "bfloat16", "int16")


@dataclass(frozen=True)
class Unreadable:
    """A chunk that could not be read, and one of the windows that wanted it.

    Attributes:
        window: its row in the batch.
        shard: number of the shard.
        chunk: the chunk's number in the shard.
        first: its first byte in the shard.
        end: the byte after its last.
        reason: why.
    """

    window: int
    shard: int
    chunk: int
    first: int
    end: int
    reason: str

    def __str__(self) -> str:
        return f"{shard_name(self.shard)}: chunk {self.chunk} (bytes {self.first} to {self.end}): {self.reason}"


class SignalReader(Protocol):
    """Reads stretches of one split's signal. Can be used from several threads."""

    def read(self, request: core.ReadRequest, threads: int, blocks: BlockCache | None = None) -> list[Unreadable]:
        """Fills a batch; windows of which a chunk could not be read are left unfinished and told of.

        With `blocks`, a reader for which requests are dear fetches whole blocks of chunks, and keeps them there.
        """


class LocalReader:
    """Reads from the shards of a local folder."""

    def __init__(self, folder: LocalFolder, geometry: core.Geometry, shards: Sequence[int]) -> None:
        there = set(shards)
        present = [number in there for number in range(max(shards, default=-1) + 1)]
        self._files = core.ShardFiles(geometry, os.fspath(folder.path), present)

    def read(self, request: core.ReadRequest, threads: int, blocks: BlockCache | None = None) -> list[Unreadable]:
        """Fills a batch; `blocks` is not needed, the system keeps pages."""
        return unreadables(self._files.read(request, threads))


def unreadables(found: list[core.ChunkError]) -> list[Unreadable]:
    """What the core says of chunks that could not be read."""
    return [
        Unreadable(window, chunk // CHUNKS_A_SHARD, chunk % CHUNKS_A_SHARD, offset, offset + length, reason)
        for window, chunk, offset, length, reason in found
    ]


def dtype_of(dtype: DTypeLike | str) -> np.dtype[Any]:
    """The NumPy type of that name; ``bfloat16`` is ml_dtypes'.

    Raises:
        ValueError: not one of `NUMBERS`.
    """
    import ml_dtypes

    found = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    number_of(found)
    return found


def number_of(dtype: np.dtype[Any]) -> str:
    """The core's name of a type of numbers."""
    if dtype.name not in NUMBERS:
        raise ValueError(f"dtype: found {dtype.name}, wanted {', '.join(NUMBERS)}")
    return dtype.name


def default_threads() -> int:
    """Threads that read a batch unless told: one a processor of this process, at most 8."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, 8)
