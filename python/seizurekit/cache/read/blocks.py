"""Blocks of neighbouring chunks, fetched whole and kept in memory while batches are drawn from them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

BLOCK_CHUNKS = 64
"""Chunks a block: 640 s, about 4.5 MB, which a store sends in one answer at its full rate."""

Stored = memoryview | str | None
"""Of a stored chunk: its bytes, why it cannot be had, or None for a chunk of zeros."""
Block = dict[int, Stored]


class BlockCache:
    """The blocks last used. Several threads that want the same block fetch it once.

    A block brings the chunks behind its end too that its windows reach into, so that each window needs one block.

    Args:
        limit_bytes: of all blocks kept; those of the calls under way are held beside it.
        reach: chunks behind a block's end that it brings.
    """

    def __init__(self, limit_bytes: int, reach: int) -> None:
        self._limit, self._reach = limit_bytes, reach
        self._blocks: OrderedDict[int, Future[Block]] = OrderedDict()
        self._lock = threading.Lock()

    def chunks(self, first: Iterable[int], fetch: Callable[[Sequence[int]], list[Stored]]) -> Block:
        """The chunks, by number, of all blocks in which windows begin whose first chunks are given."""
        wanted = sorted({number // BLOCK_CHUNKS for number in first})
        mine: list[int] = []
        futures: dict[int, Future[Block]] = {}
        with self._lock:
            for block in wanted:
                if block not in self._blocks:
                    self._blocks[block] = Future()
                    mine.append(block)
                self._blocks.move_to_end(block)
                futures[block] = self._blocks[block]
        if mine:
            self._bring(mine, futures, fetch)
        found: Block = {}
        for future in futures.values():
            found.update(future.result())
        self._shrink()
        return found

    def _bring(
        self, blocks: list[int], futures: dict[int, Future[Block]], fetch: Callable[[Sequence[int]], list[Stored]]
    ) -> None:
        members = {block: range(block * BLOCK_CHUNKS, (block + 1) * BLOCK_CHUNKS + self._reach) for block in blocks}
        numbers = sorted({number for each in members.values() for number in each})
        try:
            stored = dict(zip(numbers, fetch(numbers), strict=True))
        except BaseException as error:
            with self._lock:
                for block in blocks:
                    del self._blocks[block]
            for block in blocks:
                futures[block].set_exception(error)
            raise
        for block, own in members.items():
            futures[block].set_result({number: stored[number] for number in own})

    def _shrink(self) -> None:
        with self._lock:
            sizes = {block: _bytes(future) for block, future in self._blocks.items()}
            held = sum(sizes.values())
            for block, size in sizes.items():
                if held <= self._limit:
                    break
                if self._blocks[block].done():
                    del self._blocks[block]
                    held -= size


def _bytes(future: Future[Block]) -> int:
    if not future.done() or future.exception() is not None:
        return 0
    return sum(len(each) for each in future.result().values() if isinstance(each, memoryview))
