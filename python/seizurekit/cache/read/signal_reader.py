"""The interface of the readers of a split's signal, and the errors that they return."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from seizurekit._core import cache as core
from seizurekit.cache.layout import CHUNKS_PER_SHARD, shard_name
from seizurekit.cache.read.block_cache import BlockCache

DTYPES = ("float32", "float16", "bfloat16", "int16")
MAX_THREADS = 8


@dataclass(frozen=True)
class ChunkError:
    """A chunk that could not be read, and one of the windows that need it.

    Attributes:
        window: the window's row in the request.
        shard: index of the shard.
        chunk: index of the chunk in the shard.
        first: its first byte in the shard.
        end: the byte after its last.
        reason: why it could not be read.
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
    """Reads windows of one split's signal. Can be used from several threads."""

    def read(self, request: core.ReadRequest, threads: int, blocks: BlockCache | None = None) -> list[ChunkError]:
        """Fills the arrays of a request.

        Args:
            request: what to read.
            threads: number of threads that decode.
            blocks: fetch whole blocks of chunks and keep them there, if requests to the store are slow.

        Returns:
            The chunks that could not be read; the rows of the windows that need them are undefined.
        """


def chunk_errors(errors: list[core.ChunkError]) -> list[ChunkError]:
    """The core's errors as `ChunkError`s."""
    return [
        ChunkError(window, chunk // CHUNKS_PER_SHARD, chunk % CHUNKS_PER_SHARD, offset, offset + length, reason)
        for window, chunk, offset, length, reason in errors
    ]


def to_dtype(dtype: DTypeLike | str) -> np.dtype[Any]:
    """The NumPy dtype of that name; ``bfloat16`` is from ml_dtypes.

    Raises:
        ValueError: the dtype is not one of `DTYPES`.
    """
    import ml_dtypes

    result = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    if result.name not in DTYPES:
        raise ValueError(f"dtype is {result.name}, expected {', '.join(DTYPES)}")
    return result


def default_threads() -> int:
    """Default number of threads that read a batch: one for each CPU of this process, at most 8."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, MAX_THREADS)
