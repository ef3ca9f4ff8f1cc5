"""Blocks of chunks: which chunks they contain, and which blocks stay in memory."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from seizurekit.cache.read.block_cache import BLOCK_CHUNKS, BlockCache, Stored


class Source:
    """Hands out chunks of one byte, and records the blocks that were fetched."""

    def __init__(self) -> None:
        self.fetched: list[int] = []

    def fetch(self, numbers: Sequence[int]) -> list[Stored]:
        self.fetched += sorted({number // BLOCK_CHUNKS for number in numbers})
        return [memoryview(b"x") for _ in numbers]


def test_a_block_has_all_chunks_that_its_windows_reach_into() -> None:
    chunks = BlockCache(10**9, reach=6).chunks([BLOCK_CHUNKS + 3], Source().fetch)
    assert list(chunks) == list(range(BLOCK_CHUNKS, 2 * BLOCK_CHUNKS + 6))


def test_the_blocks_used_last_are_kept() -> None:
    source = Source()
    blocks = BlockCache(2 * BLOCK_CHUNKS, reach=0)
    for block in (0, 1, 0, 2, 0, 2, 1):
        blocks.chunks([block * BLOCK_CHUNKS], source.fetch)
    assert source.fetched == [0, 1, 2, 1]


def test_a_block_that_could_not_be_fetched_is_fetched_again() -> None:
    def fail(numbers: Sequence[int]) -> list[Stored]:
        raise OSError("no answer")

    blocks = BlockCache(10**9, reach=0)
    with pytest.raises(OSError, match="no answer"):
        blocks.chunks([0], fail)
    assert len(blocks.chunks([0], Source().fetch)) == BLOCK_CHUNKS
