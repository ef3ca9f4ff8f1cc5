"""A store's columns: fetched together when the store is opened, each decoded at its first use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.layout import chunk_names, text_of
from seizurekit.errors import CacheError
from seizurekit.storage.folder import Folder


class Columns(Mapping[str, NDArray[Any]]):
    """The columns of a table by name; each has one value, or one row, per recording, event or shard.

    Args:
        url: the table's path or URL, for errors.
        files: content of the columns' files by name.
        names: names of the columns.
    """

    def __init__(self, url: str, files: Mapping[str, bytes], names: tuple[str, ...]) -> None:
        self._url, self._files, self._names = url, files, names
        self._decoded: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._decoded:
            if name not in self._names:
                raise KeyError(name)
            self._decoded[name] = self._decode(name)
        return self._decoded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _decode(self, name: str) -> NDArray[Any]:
        import zarr
        from zarr.core.buffer import default_buffer_prototype

        buffer = default_buffer_prototype().buffer
        files = {key: buffer.from_bytes(content) for key, content in self._files.items() if key.startswith(f"{name}/")}
        try:
            values = np.asarray(zarr.open_array(zarr.storage.MemoryStore(files), path=name, mode="r")[...])
            return text_of(values) if values.dtype == np.uint8 else values
        except Exception as error:  # zarr and its codecs raise many classes for damaged bytes
            raise CacheError(f"{self._url}/{name}: damaged: cannot decode the column: {error}") from error


def read_columns(folder: Folder, metadata: Mapping[str, Any], groups: Sequence[str]) -> dict[str, Columns]:
    """The columns of several tables by the table's name, fetched together.

    Args:
        folder: the split's folder.
        metadata: metadata of each array and group by its path, as in the split's consolidated metadata.
        groups: names of the tables, each of which is a Zarr group.

    Raises:
        CacheError: a table is missing.
    """
    arrays = {
        path: node
        for path, node in metadata.items()
        if node.get("node_type") == "array" and path.partition("/")[0] in groups
    }
    files = folder.read_present([name for path, node in arrays.items() for name in chunk_names(path, node)])
    tables = {}
    for group in groups:
        prefix = f"{group}/"
        names = tuple(sorted(path.removeprefix(prefix) for path in arrays if path.startswith(prefix)))
        if not names:
            raise CacheError(f"{folder.url}/{group}: damaged: the table has no columns")
        own = {name.removeprefix(prefix): content for name, content in files.items() if name.startswith(prefix)}
        own |= {f"{name}/zarr.json": json.dumps(arrays[prefix + name]).encode() for name in names}
        tables[group] = Columns(f"{folder.url}/{group}", own, names)
    return tables
