"""The files of a split, by its metadata alone, so that no folder needs to be listed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from seizurekit.cache.layout import GROUP_FILE, MANIFEST_FILE, SIGNAL, chunk_names, shard_name
from seizurekit.errors import CacheError
from seizurekit.storage.folder import Folder

_CONCURRENT_REQUESTS = 32


def split_files(url: str, group: bytes) -> tuple[str, ...]:
    """Names of all files that a split may have, shards first.

    A chunk of a column that holds only zeros has no file, and the manifest is rebuilt where it is missing.

    Args:
        url: path or URL of the metadata, for the error.
        group: the metadata of the split's group.

    Raises:
        CacheError: they are not the metadata of a store.
    """
    try:
        metadata = json.loads(group)
        names = [shard_name(int(shard)) for shard in metadata["attributes"]["shards"]]
        for path, node in metadata["consolidated_metadata"]["metadata"].items():
            names.append(f"{path}/{GROUP_FILE}")
            if node["node_type"] == "array" and path != SIGNAL:
                names += chunk_names(path, node)
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise CacheError(f"{url}: damaged: not the metadata of a seizurekit store: {error!r}") from None
    names += [MANIFEST_FILE, GROUP_FILE]
    outside = [name for name in names if not {"", ".", ".."}.isdisjoint(name.split("/"))]
    if outside:
        raise CacheError(f"{url}: damaged: the file name {outside[0]!r} is not inside the store")
    return tuple(names)


def file_sizes(folder: Folder, names: Sequence[str]) -> dict[str, int]:
    """Sizes in bytes of those of the files that exist."""
    if can_list(folder):
        sizes = folder.files()
        return {name: sizes[name] for name in names if name in sizes}
    with ThreadPoolExecutor(_CONCURRENT_REQUESTS) as pool:
        found = list(pool.map(folder.size, names))
    return {name: size for name, size in zip(names, found, strict=True) if size is not None}


def can_list(folder: Folder) -> bool:
    """Whether a folder can list its files; a web server cannot."""
    return not folder.url.startswith(("http://", "https://"))
