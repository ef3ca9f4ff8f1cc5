"""Which files make up a split of a store: its metadata tells, so that no folder needs to be listed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from seizurekit.cache.layout import GROUP_FILE, MANIFEST_FILE, SIGNAL, chunk_names, shard_name
from seizurekit.errors import CacheError
from seizurekit.storage.folder import Folder

_REQUESTS_AT_ONCE = 32


def split_files(place: str, group: bytes) -> tuple[str, ...]:
    """Names of all files of a split by its group's metadata, shards first; not all of them need be there.

    A chunk of a column whose values are all 0 has no file, and the manifest is made anew wherever it is missing.

    Raises:
        CacheError: the metadata are not a store's; names `place`.
    """
    try:
        metadata = json.loads(group)
        names = [shard_name(int(number)) for number in metadata["attributes"]["shards"]]
        for path, node in metadata["consolidated_metadata"]["metadata"].items():
            names.append(f"{path}/{GROUP_FILE}")
            if node["node_type"] == "array" and path != SIGNAL:
                names += chunk_names(path, node)
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise CacheError(f"{place}: damaged: {error!r}, wanted the metadata of a seizurekit store") from None
    names += [MANIFEST_FILE, GROUP_FILE]
    strange = [name for name in names if not {"", ".", ".."}.isdisjoint(name.split("/"))]
    if strange:
        raise CacheError(f"{place}: damaged: found the file name {strange[0]!r}, wanted one in the store")
    return tuple(names)


def sizes_of(folder: Folder, names: Sequence[str]) -> dict[str, int]:
    """Bytes of those of the files that are there; asked for one by one of a web server, which has no list."""
    if has_lists(folder):
        found = folder.files()
        return {name: found[name] for name in names if name in found}
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        sizes = list(pool.map(folder.size, names))
    return {name: size for name, size in zip(names, sizes, strict=True) if size is not None}


def has_lists(folder: Folder) -> bool:
    """Whether a folder can tell what is in it."""
    return not folder.url.startswith(("http://", "https://"))
