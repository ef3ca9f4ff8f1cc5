"""Shards of `signal`: chunks one after the other, and an index of their places at the end (Zarr's sharding codec)."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seizurekit._core import cache as core
from seizurekit.cache.layout import CHUNKS_A_SHARD, INDEX_BYTES, NOWHERE
from seizurekit.errors import CacheError
from seizurekit.storage.folder import Folder
from seizurekit.storage.local import LocalFolder

_CHECKSUM_BYTES = 4


def _checksum(data: bytes | memoryview) -> bytes:
    return core.crc32c(data).to_bytes(_CHECKSUM_BYTES, "little")


def encode_chunk(samples: NDArray[np.int16]) -> bytes:
    """A chunk's bytes: bit-shuffled, LZ4, checksum."""
    from numcodecs import blosc

    data: bytes = blosc.compress(np.ascontiguousarray(samples, "<i2"), b"lz4", 9, blosc.BITSHUFFLE)
    return data + _checksum(data)


class _Sink(Protocol):
    """Where a shard's bytes go; it is there whole after `commit`, and not at all without."""

    def write(self, data: bytes) -> None: ...

    def commit(self) -> None: ...

    def close(self) -> None: ...


class _FileSink:
    """Written as it grows, under a temporary name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._temporary.open("wb")

    def write(self, data: bytes) -> None:
        try:
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error

    def commit(self) -> None:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        self._temporary.replace(self._path)

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


class _ObjectSink:
    """Gathered in memory, and put in one request."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder, self._name = folder, name
        self._content = bytearray()

    def write(self, data: bytes) -> None:
        self._content += data

    def commit(self) -> None:
        self._folder.write(self._name, bytes(self._content))

    def close(self) -> None:
        self._content.clear()


class ShardWriter:
    """Writes a shard, which is there whole after `commit`; without that nothing is left behind."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder, self._name = folder, name
        self._index = np.full((CHUNKS_A_SHARD, 2), NOWHERE, "<u8")
        self._end = 0
        self._sink: _Sink | None = None

    def add(self, chunk: int, samples: NDArray[np.int16]) -> None:
        """Adds chunk number `chunk` of the shard; one whose samples are all 0 is left out, as Zarr allows."""
        if samples.any():
            data = encode_chunk(samples)
            self._index[chunk] = self._end, len(data)
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._sink is None:
            if isinstance(self._folder, LocalFolder):
                self._sink = _FileSink(self._folder.path / self._name)
            else:
                self._sink = _ObjectSink(self._folder, self._name)
        self._sink.write(data)
        self._end += len(data)

    def commit(self) -> None:
        """Completes the shard; one without a chunk has no file."""
        if self._sink is not None:
            index = self._index.tobytes()
            self._write(index + _checksum(index))
            self._sink.commit()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sink is not None:
            self._sink.close()


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
        for number, first, end, reason in core.shard_damages(content, channels, chunk, CHUNKS_A_SHARD)
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
