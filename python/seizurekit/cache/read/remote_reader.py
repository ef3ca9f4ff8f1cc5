"""Reading the shards of an object store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seizurekit._core import cache as core
from seizurekit.cache.layout import CHUNKS_PER_SHARD, NOT_STORED, SHARDS_GROUP, shard_name
from seizurekit.cache.read.block_cache import BlockCache, Stored
from seizurekit.cache.read.local_reader import LocalReader
from seizurekit.cache.read.shard_cache import ShardCache
from seizurekit.cache.read.signal_reader import ChunkError, chunk_errors
from seizurekit.errors import CacheError
from seizurekit.storage.folder import Folder, Span


class RemoteReader:
    """Reads from shards in an object store, see `SignalReader`: the chunks of a batch are fetched together, by ranges.

    Args:
        folder: the split's folder.
        geometry: shape of the chunks and shards.
        shards: indices of the shards that exist.
        index: uint64 [shard, chunk, (offset, length)], the indexes of all shards.
        shard_cache: keeps whole shards on a local disk, or None.

    Attributes:
        shard_cache: as given.
    """

    def __init__(
        self,
        folder: Folder,
        geometry: core.Geometry,
        shards: Sequence[int],
        index: NDArray[np.uint64],
        shard_cache: ShardCache | None,
    ) -> None:
        if max(shards, default=-1) >= len(index):
            raise CacheError(
                f"{folder.url}/{SHARDS_GROUP}/index: damaged: length is {len(index)}, expected {max(shards) + 1} shards"
            )
        self._folder, self._geometry, self._shards = folder, geometry, frozenset(shards)
        self._index = index
        self.shard_cache = shard_cache
        self._local = LocalReader(shard_cache.folder, geometry, shards) if shard_cache is not None else None

    def read(self, request: core.ReadRequest, threads: int, blocks: BlockCache | None = None) -> list[ChunkError]:
        """Fills the arrays of a request; `blocks`: fetch whole blocks of chunks and keep them for later batches."""
        chunks = self._geometry.chunks_of(request.first, request.length)
        if self._local is not None and self._is_cached(chunks):
            errors = self._local.read(request, threads)
            if not errors:
                return errors
            # The shard cache may have deleted a shard since: fetch the chunks after all.
        if blocks is None:
            stored = self._fetch(chunks)
        else:
            cached = blocks.chunks((request.first // self._geometry.chunk).tolist(), self._fetch)
            stored = [cached[chunk] for chunk in chunks]
        errors = self._decode(request, threads, chunks, stored)
        if any(isinstance(stored[chunks.index(_chunk_index(error))], memoryview) for error in errors):
            # The chunk was fetched and is damaged, perhaps only on the way: fetch it once more.
            errors = self._decode(request, threads, chunks, self._fetch(chunks))
        return errors

    def _is_cached(self, chunks: Sequence[int]) -> bool:
        return self.shard_cache is not None and self.shard_cache.has_all(self._shards_of(chunks))

    def _shards_of(self, chunks: Sequence[int]) -> set[int]:
        return {chunk // CHUNKS_PER_SHARD for chunk in chunks} & self._shards

    def _decode(
        self, request: core.ReadRequest, threads: int, chunks: list[int], stored: Sequence[Stored]
    ) -> list[ChunkError]:
        offsets = [0 if span is None else span.start for span in self._chunk_spans(chunks)]
        return chunk_errors(core.read_chunks(self._geometry, chunks, stored, offsets, request, threads))

    def _chunk_spans(self, chunks: Sequence[int]) -> list[Span | None]:
        """Where the bytes of each chunk are; None for a chunk of zeros, which is not stored."""
        spans: list[Span | None] = []
        for index in chunks:
            shard, chunk = divmod(index, CHUNKS_PER_SHARD)
            offset, length = self._index[shard, chunk].tolist() if shard in self._shards else (NOT_STORED, NOT_STORED)
            spans.append(None if length == NOT_STORED else Span(shard_name(shard), offset, offset + length))
        return spans

    def _fetch(self, chunks: Sequence[int]) -> list[Stored]:
        """The chunks' bytes, fetched together."""
        stored: list[Stored] = [None] * len(chunks)
        max_length = self._geometry.chunk_samples * 2 + 64
        requested: dict[int, Span] = {}
        for i, span in enumerate(self._chunk_spans(chunks)):
            if span is None:
                continue
            length = span.stop - span.start
            if length > max_length:
                stored[i] = f"damaged: its length in the index is {length}, expected at most {max_length} bytes"
            else:
                requested[i] = span
        if self.shard_cache is not None:
            self.shard_cache.request(self._shards_of(chunks))
        spans = list(requested.values())
        try:
            parts: Sequence[Stored] = self._folder.read_spans(spans)
        except FileNotFoundError:
            parts = self._fetch_by_shard(spans)
        for i, part in zip(requested, parts, strict=True):
            stored[i] = part
        return stored

    def _fetch_by_shard(self, spans: Sequence[Span]) -> list[Stored]:
        """The bytes of spans if a shard is missing: those of the other shards are still fetched."""
        parts: dict[int, Stored] = {}
        for name in {span.name for span in spans}:
            members = [i for i, span in enumerate(spans) if span.name == name]
            try:
                parts.update(zip(members, self._folder.read_spans([spans[i] for i in members]), strict=True))
            except FileNotFoundError:
                parts.update(dict.fromkeys(members, "missing shard"))
        return [parts[i] for i in range(len(spans))]


def _chunk_index(error: ChunkError) -> int:
    return error.shard * CHUNKS_PER_SHARD + error.chunk
