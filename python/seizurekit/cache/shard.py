"""Shards of `signal`: chunks one after the other, and an index of their places at the end (Zarr's sharding codec)."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.layout import CHUNKS_A_SHARD, INDEX_BYTES, NOWHERE
from seizurekit.errors import CacheError

_CHECKSUM_BYTES = 4


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


def index_of(data: bytes | memoryview, place: str) -> NDArray[np.uint64]:
    """A shard's index, uint64 [chunk, (offset, length)], from its last `INDEX_BYTES`.

    Raises:
        CacheError: it is damaged; the message begins with `place`.
    """
    index, checksum = data[:-_CHECKSUM_BYTES], bytes(data[-_CHECKSUM_BYTES:])
    if len(data) != INDEX_BYTES or _checksum(index) != checksum:
        raise CacheError(f"{place}: damaged: the checksum of the shard's index does not agree")
    return np.frombuffer(index, "<u8").reshape(CHUNKS_A_SHARD, 2)
