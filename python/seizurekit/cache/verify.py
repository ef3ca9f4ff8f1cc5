"""Verifying a store: every chunk of every shard is compared with its checksum and decoded."""

from __future__ import annotations

from collections.abc import Iterator

from seizurekit.cache.layout import shard_name
from seizurekit.cache.shard_file import find_shard_damage
from seizurekit.cache.split import Split


def find_damage(split: Split) -> Iterator[str]:
    """One sentence for each missing shard, damaged index and damaged chunk of a split."""
    for shard in split.shards:
        name = shard_name(shard)
        url = f"{split.folder.url}/{name}"
        try:
            content = split.folder.read(name)
        except FileNotFoundError:
            yield f"{url}: missing shard"
            continue
        yield from find_shard_damage(content, url, len(split.channels), split.chunk)
