from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

Unreadable = tuple[int, int, int, int, str]
"""Window, chunk, offset and length in the shard, reason."""

class Geometry:
    def __init__(self, *, channels: int, chunk: int, chunks_a_shard: int, step: float) -> None: ...
    @property
    def chunk(self) -> int: ...
    @property
    def chunk_samples(self) -> int: ...
    def chunks_of(self, first: NDArray[np.int64], length: int) -> list[int]: ...

class Labels:
    def __init__(self, first: NDArray[np.int64], end: NDArray[np.int64]) -> None: ...
    def draw(self, first: int, mask: NDArray[np.uint8]) -> None: ...

class ShardFiles:
    def __init__(self, geometry: Geometry, folder: str, present: list[bool]) -> None: ...
    def read(
        self,
        first: NDArray[np.int64],
        x: NDArray[np.generic],
        number: str,
        threads: int,
        labels: Labels | None,
        places: NDArray[np.int64],
        y: NDArray[np.uint8],
    ) -> list[Unreadable]: ...

def read_chunks(
    geometry: Geometry,
    chunks: Sequence[int],
    data: Sequence[Buffer | str | None],
    offsets: Sequence[int],
    first: NDArray[np.int64],
    x: NDArray[np.generic],
    number: str,
    threads: int,
    labels: Labels | None,
    places: NDArray[np.int64],
    y: NDArray[np.uint8],
) -> list[Unreadable]: ...
def shard_damages(data: Buffer, channels: int, chunk: int, chunks_a_shard: int) -> list[tuple[int, int, int, str]]: ...
def crc32c(data: Buffer) -> int: ...
