"""Blocks of neighboring chunks, fetched as a whole and kept in memory while batches are drawn from them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

BLOCK_CHUNKS = 64
"""Chunks of a block: 640 s, about 4.5 MB, which an object store sends in one answer at its full rate."""

Stored = memoryview | str | None
"""A stored chunk: its bytes, the reason why they cannot be read, or None for a chunk of zeros."""
Block = dict[int, Stored]


class BlockCache:
    """The blocks used last. Several threads that need the same block fetch it once.

    A block includes the chunks after its end that its windows reach into, so that each window needs one block.

    Args:
        limit_bytes: size limit of all blocks kept, without those of calls in progress.
        reach: number of chunks after a block's end that it contains.
    """

    def __init__(self, limit_bytes: int, reach: int) -> None:
        self._limit, self._reach = limit_bytes, reach
        self._blocks: OrderedDict[int, Future[Block]] = OrderedDict()
        self._lock = threading.Lock()

    def chunks(self, first: Iterable[int], fetch: Callable[[Sequence[int]], list[Stored]]) -> Block:
        """The chunks, by index, of all blocks in which windows start.

        Args:
            first: indices of the chunks in which windows start.
            fetch: called with the indices of the chunks of the missing blocks.
        """
        needed = sorted({index // BLOCK_CHUNKS for index in first})
        missing: list[int] = []
        futures: dict[int, Future[Block]] = {}
        with self._lock:
            for block in needed:
                if block not in self._blocks:
                    self._blocks[block] = Future()
                    missing.append(block)
                self._blocks.move_to_end(block)
                futures[block] = self._blocks[block]
        if missing:
            self._fetch(missing, futures, fetch)
        chunks: Block = {}
        for future in futures.values():
            chunks.update(future.result())
        self._shrink()
        return chunks

    def _fetch(
        self, blocks: list[int], futures: dict[int, Future[Block]], fetch: Callable[[Sequence[int]], list[Stored]]
    ) -> None:
        members = {block: range(block * BLOCK_CHUNKS, (block + 1) * BLOCK_CHUNKS + self._reach) for block in blocks}
        indices = sorted({index for chunks in members.values() for index in chunks})
        try:
            stored = dict(zip(indices, fetch(indices), strict=True))
        except BaseException as error:
            with self._lock:
                for block in blocks:
                    del self._blocks[block]
            for block in blocks:
                futures[block].set_exception(error)
            raise
        for block, chunks in members.items():
            futures[block].set_result({index: stored[index] for index in chunks})

    def _shrink(self) -> None:
        with self._lock:
            sizes = {block: _size(future) for block, future in self._blocks.items()}
            total = sum(sizes.values())
            for block, size in sizes.items():
                if total <= self._limit:
                    break
                if self._blocks[block].done():
                    del self._blocks[block]
                    total -= size


def _size(future: Future[Block]) -> int:
    if not future.done() or future.exception() is not None:
        return 0
    return sum(len(chunk) for chunk in future.result().values() if isinstance(chunk, memoryview))
