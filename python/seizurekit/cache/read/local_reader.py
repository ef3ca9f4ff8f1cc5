"""Reading the shards of a local folder."""

from __future__ import annotations

import os
from collections.abc import Sequence

from seizurekit._core import cache as core
from seizurekit.cache.read.block_cache import BlockCache
from seizurekit.cache.read.signal_reader import ChunkError, chunk_errors
from seizurekit.storage.local import LocalFolder


class LocalReader:
    """Reads from the shards of a local folder, see `SignalReader`.

    Args:
        folder: the folder of the shards.
        geometry: shape of the chunks and shards.
        shards: indices of the shards that exist.
    """

    def __init__(self, folder: LocalFolder, geometry: core.Geometry, shards: Sequence[int]) -> None:
        existing = set(shards)
        present = [shard in existing for shard in range(max(shards, default=-1) + 1)]
        self._files = core.ShardFiles(geometry, os.fspath(folder.path), present)

    def read(self, request: core.ReadRequest, threads: int, blocks: BlockCache | None = None) -> list[ChunkError]:
        """Fills the arrays of a request; `blocks` is not used, because the system's page cache does that work."""
        return chunk_errors(self._files.read(request, threads))
