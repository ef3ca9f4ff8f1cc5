"""Batches of windows from stored chunks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

ChunkError = tuple[int, int, int, int, str]
"""Window, chunk, offset and length in the shard, reason."""

class Geometry:
    """How a signal is divided into chunks and shards. `step` is the value of the integer 1."""

    def __init__(self, *, channels: int, chunk: int, chunks_per_shard: int, step: float) -> None: ...
    @property
    def chunk(self) -> int: ...
    @property
    def chunk_samples(self) -> int: ...
    def chunks_of(self, first: NDArray[np.int64], length: int) -> list[int]:
        """Indices of the chunks that windows of `length` samples need, ascending."""

class Labels:
    """Seizures as sample intervals [first, end) on one axis, ascending and disjoint."""

    def __init__(self, first: NDArray[np.int64], end: NDArray[np.int64]) -> None: ...
    def draw(self, first: int, mask: NDArray[np.uint8]) -> None:
        """Sets a window's mask: 1 inside seizures, else 0. `first` is its first sample on the axis."""

class ReadRequest:
    """Windows to read, and the arrays to fill.

    Args:
        first: int64 [window], first sample of each window.
        x: [window, channel, sample], contiguous, of float32, float16, bfloat16 or int16.
        labels: seizures to draw into `y`, or None.
        label_offsets: int64 [window], first sample of each window on the axis of the labels.
        y: uint8 [window, sample], contiguous.
    """

    def __init__(
        self,
        first: NDArray[np.int64],
        x: NDArray[np.generic],
        labels: Labels | None = None,
        label_offsets: NDArray[np.int64] | None = None,
        y: NDArray[np.uint8] | None = None,
    ) -> None: ...
    @property
    def first(self) -> NDArray[np.int64]: ...
    @property
    def length(self) -> int: ...

class ShardFiles:
    """The files `<folder>/<shard index>`; shards that are not `present` contain zeros."""

    def __init__(self, geometry: Geometry, folder: str, present: Sequence[bool]) -> None: ...
    def read(self, request: ReadRequest, threads: int) -> list[ChunkError]: ...

def read_chunks(
    geometry: Geometry,
    chunks: Sequence[int],
    data: Sequence[Buffer | str | None],
    offsets: Sequence[int],
    request: ReadRequest,
    threads: int,
) -> list[ChunkError]:
    """As `ShardFiles.read`, from memory: each chunk's bytes, the reason why they are missing, or None for zeros."""

def find_damage(shard: Buffer, channels: int, chunk: int, chunks_per_shard: int) -> list[tuple[int, int, int, str]]:
    """Damaged parts of a shard: chunk in the shard (-1 is the index), first byte, end byte, reason."""

def crc32c(data: Buffer) -> int: ...
def lz4_decode(block: Buffer, size: int) -> NDArray[np.uint8]:
    """The `size` bytes of an LZ4 block."""
