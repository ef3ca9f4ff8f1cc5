"""Writing the shards of `signal`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.layout import CHUNKS_PER_SHARD, NOT_STORED
from seizurekit.cache.shard_file import encode_chunk, encode_index
from seizurekit.storage.folder import Folder, Writable


class ShardWriter:
    """Writes one shard, see `open_shard`."""

    def __init__(self, open_file: Callable[[], Writable]) -> None:
        self._open_file = open_file
        self._file: Writable | None = None
        self._index = np.full((CHUNKS_PER_SHARD, 2), NOT_STORED, np.uint64)
        self._end = 0

    def add(self, chunk: int, samples: NDArray[np.int16]) -> None:
        """Adds the chunk of index `chunk`; a chunk of zeros is not stored, as Zarr allows."""
        if samples.any():
            data = encode_chunk(samples)
            self._index[chunk] = self._end, len(data)
            self._write(data)

    def finish(self) -> None:
        """Writes the index; a shard without chunks gets no file."""
        if self._file is not None:
            self._write(encode_index(self._index))

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._open_file()
        self._file.write(data)
        self._end += len(data)


@contextmanager
def open_shard(folder: Folder, name: str) -> Iterator[ShardWriter]:
    """A writer of the shard `name`, which appears complete when the block ends, or never if the block raises."""
    with ExitStack() as stack:
        writer = ShardWriter(lambda: stack.enter_context(folder.open_atomic(name)))
        yield writer
        writer.finish()
