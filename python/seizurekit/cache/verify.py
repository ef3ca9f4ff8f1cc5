"""Verifying a store: every chunk of every shard against its checksum."""

from __future__ import annotations

from collections.abc import Iterator

from seizurekit.cache.layout import CHUNK_SECONDS, CHUNKS_A_SHARD, shard_path
from seizurekit.cache.store import Cache
from seizurekit.errors import CacheError


def damages(cache: Cache) -> Iterator[str]:
    """What is wrong with a split's shards, a sentence each: missing, an index or a chunk that is damaged."""
    chunk = CHUNK_SECONDS * cache.sampling_rate
    read = cache.recordings["status"] != "failed"
    filled = {
        int(first) // (chunk * CHUNKS_A_SHARD)
        for first, samples in zip(
            cache.recordings["first_sample"][read], cache.recordings["samples"][read], strict=True
        )
        if samples
    }
    for number in range(cache.shard_count):
        path = shard_path(cache.path, number)
        if not path.exists():
            if number in filled and _has_variance(cache, number, chunk * CHUNKS_A_SHARD):
                yield f"{path}: missing shard"
            continue
        try:
            shard = cache.shard(number)
        except CacheError as error:
            yield str(error)
            continue
        for place in shard.chunks():
            try:
                shard.read(place)
            except CacheError as error:
                yield str(error)


def _has_variance(cache: Cache, shard: int, samples: int) -> bool:
    """Whether a shard's recordings hold anything but zeros; a shard of zeros has no file."""
    starts_here = cache.recordings["first_sample"] // samples == shard
    deviations = cache.recordings["std"][starts_here & (cache.recordings["samples"] > 0)]
    return bool((deviations > 0).any())
