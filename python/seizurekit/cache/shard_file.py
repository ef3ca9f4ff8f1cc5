"""The format of a shard: chunks one after the other, then an index of their bytes (Zarr's sharding codec)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seizurekit._core import cache as core
from seizurekit.cache.layout import CHUNKS_PER_SHARD, INDEX_BYTES
from seizurekit.errors import CacheError

_CHECKSUM_BYTES = 4


def checksum(data: bytes | memoryview) -> bytes:
    """CRC-32C, as the crc32c codec of Zarr appends it."""
    return core.crc32c(data).to_bytes(_CHECKSUM_BYTES, "little")


def encode_chunk(samples: NDArray[np.int16]) -> bytes:
    """The stored bytes of a chunk [channel, sample]: bit-shuffled, compressed by LZ4, with a checksum."""
    from numcodecs import blosc

    data: bytes = blosc.compress(np.ascontiguousarray(samples, "<i2"), b"lz4", 9, blosc.BITSHUFFLE)
    return data + checksum(data)


def encode_index(index: NDArray[np.uint64]) -> bytes:
    """The stored bytes of an index [chunk, (offset, length)], with a checksum."""
    data = index.astype("<u8").tobytes()
    return data + checksum(data)


def decode_index(data: bytes | memoryview, name: str) -> NDArray[np.uint64]:
    """The index of a shard, uint64 [chunk, (offset, length)].

    Args:
        data: the last `INDEX_BYTES` of the shard.
        name: the shard's path or URL, for the error.

    Raises:
        CacheError: the index is damaged.
    """
    index, stored = data[:-_CHECKSUM_BYTES], bytes(data[-_CHECKSUM_BYTES:])
    if len(data) != INDEX_BYTES or checksum(index) != stored:
        raise CacheError(f"{name}: damaged: the shard's index does not match its checksum")
    return np.frombuffer(index, "<u8").reshape(CHUNKS_PER_SHARD, 2)


def find_shard_damage(content: bytes, name: str, channels: int, chunk: int) -> list[str]:
    """One sentence for each damaged chunk of a shard, and one for a damaged index; every chunk is decoded.

    Args:
        content: the bytes of the whole shard.
        name: the shard's path or URL, with which each sentence starts.
        channels: channels of a chunk.
        chunk: samples of a channel in a chunk.
    """
    return [
        f"{name}: {'index' if index < 0 else f'chunk {index}'} (bytes {first} to {end}): damaged: {reason}"
        for index, first, end, reason in core.find_damage(content, channels, chunk, CHUNKS_PER_SHARD)
    ]
