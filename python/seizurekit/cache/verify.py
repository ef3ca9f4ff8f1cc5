"""Verifying a store: every chunk of every shard against its checksum."""

from __future__ import annotations

from collections.abc import Iterator

from seizurekit.cache.store import Cache
from seizurekit.errors import CacheError


def damages(cache: Cache) -> Iterator[str]:
    """What is wrong with a split's shards, a sentence each: missing, an index or a chunk that is damaged."""
    for number in cache.shards:
        try:
            shard = cache.shard(number)
        except CacheError as error:
            yield str(error)
            continue
        for chunk in shard.chunks():
            try:
                shard.read(chunk)
            except CacheError as error:
                yield str(error)
