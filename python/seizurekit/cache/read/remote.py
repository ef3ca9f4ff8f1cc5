"""Reading stretches of a signal that lies in an object store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seizurekit._core import cache as core
from seizurekit.cache.layout import CHUNKS_A_SHARD, NOWHERE, SHARDS_GROUP, shard_name
from seizurekit.cache.read.blocks import BlockCache, Stored
from seizurekit.cache.read.local import LocalReader, Unreadable, unreadables
from seizurekit.errors import CacheError
from seizurekit.storage.folder import Folder, Span

if TYPE_CHECKING:
    from seizurekit.cache.read.shard_cache import ShardCache


class RemoteReader:
    """Reads from shards in an object store: the parts of a batch are fetched together, by ranges.

    Args:
        folder: of the split.
        geometry: of the signal.
        shards: numbers of the shards that have a file.
        index: uint64 [shard, chunk, (offset, length)], the shards' own indexes.
        on_disk: where whole shards are kept, or None.

    Attributes:
        on_disk: as given.
    """

    def __init__(
        self,
        folder: Folder,
        geometry: core.Geometry,
        shards: Sequence[int],
        index: NDArray[np.uint64],
        on_disk: ShardCache | None,
    ) -> None:
        if max(shards, default=-1) >= len(index):
            raise CacheError(
                f"{folder.url}/{SHARDS_GROUP}/index: damaged: found {len(index)} shards, wanted {max(shards) + 1}"
            )
        self._folder, self._geometry, self._there = folder, geometry, frozenset(shards)
        self._index = index
        self.on_disk = on_disk
        self._local = LocalReader(on_disk.folder, geometry, shards) if on_disk is not None else None

    def read(self, request: core.ReadRequest, threads: int, blocks: BlockCache | None = None) -> list[Unreadable]:
        """Fills a batch; `blocks`: fetch whole blocks of chunks, and keep them there for the batches to come."""
        chunks = self._geometry.chunks_of(request.first, request.length)
        if self._local is not None and self.on_disk is not None:
            shards = {chunk // CHUNKS_A_SHARD for chunk in chunks} & self._there
            # What is evicted between these two is fetched after all.
            if self.on_disk.has_all(shards) and not (failed := self._local.read(request, threads)):
                return failed
        placed = self._places(chunks)
        if blocks is None:
            data = self._fetch(chunks, placed)
        else:
            held = blocks.chunks((request.first // self._geometry.chunk).tolist(), self._fetch_anywhere)
            data = [held[chunk] for chunk in chunks]
        failed = self._decode(request, threads, chunks, placed, data)
        if any(isinstance(data[chunks.index(_number(each))], memoryview) for each in failed):
            # What was damaged on its way is not damaged in the store.
            failed = self._decode(request, threads, chunks, placed, self._fetch(chunks, placed))
        return failed

    def _decode(
        self,
        request: core.ReadRequest,
        threads: int,
        chunks: list[int],
        placed: list[tuple[int, int]],
        data: Sequence[Stored],
    ) -> list[Unreadable]:
        return unreadables(
            core.read_chunks(
                self._geometry,
                chunks,
                data,
                [0 if offset == NOWHERE else offset for offset, _ in placed],
                request,
                threads,
            )
        )

    def _places(self, chunks: Sequence[int]) -> list[tuple[int, int]]:
        """(offset, length) of chunks in their shards; `NOWHERE` twice where a chunk is absent."""
        places = []
        for chunk in chunks:
            shard, within = divmod(chunk, CHUNKS_A_SHARD)
            row = self._index[shard, within] if shard in self._there else (NOWHERE, NOWHERE)
            places.append((int(row[0]), int(row[1])))
        return places

    def _fetch(self, chunks: Sequence[int], placed: Sequence[tuple[int, int]]) -> list[Stored]:
        """The chunks' bytes, all fetched together."""
        data: list[Stored] = [None] * len(chunks)
        spans: list[tuple[int, Span]] = []
        longest = self._geometry.chunk_samples * 2 + 64
        for i, (chunk, (offset, length)) in enumerate(zip(chunks, placed, strict=True)):
            if length == NOWHERE:
                continue
            if length > longest:
                data[i] = f"damaged: found {length} bytes in the shard's index, wanted at most {longest}"
            else:
                spans.append((i, Span(shard_name(chunk // CHUNKS_A_SHARD), offset, offset + length)))
        if self.on_disk is not None:
            self.on_disk.want({chunk // CHUNKS_A_SHARD for chunk in chunks} & self._there)
        try:
            parts: Sequence[Stored] = self._folder.read_spans([span for _, span in spans])
        except FileNotFoundError:
            parts = self._fetch_by_shard([span for _, span in spans])
        for (i, _), part in zip(spans, parts, strict=True):
            data[i] = part
        return data

    def _fetch_by_shard(self, spans: Sequence[Span]) -> list[Stored]:
        """As `_fetch`, where a shard is missing: the chunks of the others are had all the same."""
        found: dict[int, Stored] = {}
        for name in {span.name for span in spans}:
            own = [i for i, span in enumerate(spans) if span.name == name]
            try:
                found.update(zip(own, self._folder.read_spans([spans[i] for i in own]), strict=True))
            except FileNotFoundError:
                found.update(dict.fromkeys(own, "missing shard"))
        return [found[i] for i in range(len(spans))]

    def _fetch_anywhere(self, chunks: Sequence[int]) -> list[Stored]:
        return self._fetch(chunks, self._places(chunks))


def _number(each: Unreadable) -> int:
    return each.shard * CHUNKS_A_SHARD + each.chunk
