"""Shards of `signal`: chunks one after the other, and an index of their places at the end (Zarr's sharding codec)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
from numpy.typing import NDArray

from seizurekit._core import cache as core
from seizurekit.cache.layout import CHUNKS_A_SHARD, INDEX_BYTES, NOWHERE
from seizurekit.errors import CacheError
from seizurekit.storage.folder import Folder, Writable

_CHECKSUM_BYTES = 4


def _checksum(data: bytes | memoryview) -> bytes:
    return core.crc32c(data).to_bytes(_CHECKSUM_BYTES, "little")


def encode_chunk(samples: NDArray[np.int16]) -> bytes:
    """A chunk's bytes: bit-shuffled, LZ4, checksum."""
    from numcodecs import blosc

    data: bytes = blosc.compress(np.ascontiguousarray(samples, "<i2"), b"lz4", 9, blosc.BITSHUFFLE)
    return data + _checksum(data)


class ShardWriter:
    """Writes one shard, see `open_shard`."""

    def __init__(self, open_file: Callable[[], Writable]) -> None:
        self._open_file = open_file
        self._file: Writable | None = None
        self._index = np.full((CHUNKS_A_SHARD, 2), NOWHERE, "<u8")
        self._end = 0

    def add(self, chunk: int, samples: NDArray[np.int16]) -> None:
        """Adds chunk number `chunk` of the shard; one whose samples are all 0 is left out, as Zarr allows."""
        if samples.any():
            data = encode_chunk(samples)
            self._index[chunk] = self._end, len(data)
            self._write(data)

    def finish(self) -> None:
        """Writes the index; a shard without a chunk has no file."""
        if self._file is not None:
            index = self._index.tobytes()
            self._write(index + _checksum(index))

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._open_file()
        self._file.write(data)
        self._end += len(data)


@contextmanager
def open_shard(folder: Folder, name: str) -> Iterator[ShardWriter]:
    """A writer of a shard, which appears complete when the block ends, or never if the block raises."""
    with ExitStack() as stack:
        writer = ShardWriter(lambda: stack.enter_context(folder.open_whole(name)))
        yield writer
        writer.finish()


def damages_of(content: bytes, place: str, channels: int, chunk: int) -> list[str]:
    """What is wrong with a whole shard, a sentence each that begins with `place`; its chunks are decoded.

    Args:
        content: the shard's bytes.
        place: of the shard, for people.
        channels: of a chunk.
        chunk: samples of a channel in a chunk.
    """
    return [
        f"{place}: {'index' if number < 0 else f'chunk {number}'} (bytes {first} to {end}): damaged: {reason}"
        for number, first, end, reason in core.find_damage(content, channels, chunk, CHUNKS_A_SHARD)
    ]


def index_of(data: bytes | memoryview, place: str) -> NDArray[np.uint64]:
    """A shard's index, uint64 [chunk, (offset, length)], from its last `INDEX_BYTES`.

    Raises:
        CacheError: it is damaged; the message begins with `place`.
    """
    index, checksum = data[:-_CHECKSUM_BYTES], bytes(data[-_CHECKSUM_BYTES:])
    if len(data) != INDEX_BYTES or _checksum(index) != checksum:
        raise CacheError(f"{place}: damaged: the checksum of the shard's index does not agree")
    return np.frombuffer(index, "<u8").reshape(CHUNKS_A_SHARD, 2)
