"""Shards of `signal`: chunks one after the other, and an index of their places at the end (Zarr's sharding codec)."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.layout import CHUNKS_A_SHARD, NOWHERE
from seizurekit.errors import CacheError

_CHECKSUM_BYTES = 4
_INDEX_BYTES = CHUNKS_A_SHARD * 16 + _CHECKSUM_BYTES


def _blosc() -> Any:
    from numcodecs import blosc

    return blosc


def _checksum(data: bytes | memoryview) -> bytes:
    return int(google_crc32c.value(bytes(data))).to_bytes(_CHECKSUM_BYTES, "little")


def encode_chunk(samples: NDArray[np.int16]) -> bytes:
    """A chunk's bytes: bit-shuffled, LZ4, checksum."""
    blosc = _blosc()
    data: bytes = blosc.compress(np.ascontiguousarray(samples, "<i2"), b"lz4", 9, blosc.BITSHUFFLE)
    return data + _checksum(data)


class ShardWriter:
    """Writes a shard under a temporary name; `commit` gives it its name, and without that nothing is left behind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        self._index = np.full((CHUNKS_A_SHARD, 2), NOWHERE, "<u8")
        self._end = 0
        self._file: BinaryIO | None = None

    def add(self, chunk: int, samples: NDArray[np.int16]) -> None:
        """Adds chunk number `chunk` of the shard; one whose samples are all 0 is left out, as Zarr allows."""
        if samples.any():
            data = encode_chunk(samples)
            self._index[chunk] = self._end, len(data)
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("wb")
        try:
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        self._end += len(data)

    def commit(self) -> None:
        """Completes the shard on disk under its name; a shard without a chunk has no file."""
        if self._file is None:
            return
        index = self._index.tobytes()
        self._write(index + _checksum(index))
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        self._temporary.replace(self._path)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._temporary.unlink(missing_ok=True)


class Shard:
    """A shard's file, mapped into memory."""

    def __init__(self, path: Path, chunk_shape: tuple[int, int]) -> None:
        """Raises CacheError where the index is damaged; a file that is absent holds no chunk."""
        self.path = path
        self._shape = chunk_shape
        self._map: mmap.mmap | None = None
        self._index = np.full((CHUNKS_A_SHARD, 2), NOWHERE, "<u8")
        try:
            with path.open("rb") as file:
                if path.stat().st_size < _INDEX_BYTES:
                    raise CacheError(f"{path}: damaged shard: found {path.stat().st_size} bytes, wanted an index")
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            return
        index, checksum = self._map[-_INDEX_BYTES:-_CHECKSUM_BYTES], self._map[-_CHECKSUM_BYTES:]
        if _checksum(index) != checksum:
            raise CacheError(
                f"{path}: damaged shard: its index has checksum {_checksum(index).hex()}, not {checksum.hex()}"
            )
        self._index = np.frombuffer(index, "<u8").reshape(CHUNKS_A_SHARD, 2)

    def read(self, chunk: int) -> NDArray[np.int16] | None:
        """Chunk number `chunk` [channel, sample]; None where it is absent, all its samples being 0.

        Raises:
            CacheError: the chunk is damaged; the message names the shard, the chunk and its bytes.
        """
        offset, length = (int(value) for value in self._index[chunk])
        if offset == length == NOWHERE or self._map is None:
            return None
        place = f"{self.path}: chunk {chunk} (bytes {offset} to {offset + length})"
        if length <= _CHECKSUM_BYTES or offset + length > len(self._map) - _INDEX_BYTES:
            raise CacheError(f"{place}: damaged: wanted a place within the shard")
        stored = memoryview(self._map)[offset : offset + length]
        data, checksum = stored[:-_CHECKSUM_BYTES], bytes(stored[-_CHECKSUM_BYTES:])
        if _checksum(data) != checksum:
            raise CacheError(f"{place}: damaged: its checksum is {_checksum(data).hex()}, not {checksum.hex()}")
        samples = np.empty(self._shape, "<i2")
        _blosc().decompress(data, samples)
        return samples

    def chunks(self) -> Iterator[int]:
        """Numbers of the chunks that are there."""
        yield from np.flatnonzero(self._index[:, 0] != NOWHERE).tolist()
