"""Verifying a store: every chunk of every shard against its checksum, and decoded."""

from __future__ import annotations

from collections.abc import Iterator

from seizurekit.cache.build.writer import damages_of
from seizurekit.cache.layout import shard_name
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
        yield from damages_of(content, place, len(cache.channels), cache.chunk)
