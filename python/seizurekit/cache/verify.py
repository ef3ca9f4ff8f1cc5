"""Verifying a store: every chunk of every shard against its checksum, and decoded."""

from __future__ import annotations

from collections.abc import Iterator

from seizurekit._core import cache as core
from seizurekit.cache.layout import CHUNKS_A_SHARD, shard_name
from seizurekit.cache.store import Cache


def damages(cache: Cache) -> Iterator[str]:
    """What is wrong with a split's shards, a sentence each: missing, an index or a chunk that is damaged."""
    for number in cache.shards:
        name = shard_name(number)
        place = f"{cache.folder.url}/{name}"
        try:
            content = cache.folder.read(name)
        except FileNotFoundError:
            yield f"{place}: missing shard"
            continue
        for chunk, first, end, reason in core.shard_damages(content, len(cache.channels), cache.chunk, CHUNKS_A_SHARD):
            what = "index" if chunk < 0 else f"chunk {chunk}"
            yield f"{place}: {what} (bytes {first} to {end}): damaged: {reason}"
