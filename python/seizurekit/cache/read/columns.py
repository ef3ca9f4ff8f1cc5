"""A store's columns: fetched together when it is opened, decoded when they are first asked for."""

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
    """Columns by name, one row a recording or an event."""

    def __init__(self, place: str, files: Mapping[str, bytes], names: tuple[str, ...]) -> None:
        self._place, self._files, self._names = place, files, names
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
        own = {key: buffer.from_bytes(content) for key, content in self._files.items() if key.startswith(f"{name}/")}
        try:
            values = np.asarray(zarr.open_array(zarr.storage.MemoryStore(own), path=name, mode="r")[...])
            return text_of(values) if values.dtype == np.uint8 else values
        except Exception as error:
            raise CacheError(f"{self._place}/{name}: damaged: the column cannot be read: {error}") from error


def read_columns(folder: Folder, metadata: Mapping[str, Any], groups: Sequence[str]) -> dict[str, Columns]:
    """The columns of groups of arrays, all of them fetched together.

    Args:
        folder: of the split.
        metadata: of all that is below it by path, as the split's consolidated metadata have it.
        groups: names of the groups.

    Raises:
        CacheError: a group is not there.
    """
    arrays = {path: meta for path, meta in metadata.items() if meta.get("node_type") == "array"}
    wanted = {path: meta for path, meta in arrays.items() if path.partition("/")[0] in groups}
    content = folder.read_present([key for path, meta in wanted.items() for key in chunk_names(path, meta)])
    found = {}
    for group in groups:
        names = tuple(sorted(path.partition("/")[2] for path in wanted if path.startswith(f"{group}/")))
        if not names:
            raise CacheError(f"{folder.url}/{group}: damaged: found no columns, wanted some")
        files = {key.removeprefix(f"{group}/"): value for key, value in content.items() if key.startswith(f"{group}/")}
        files |= {f"{name}/zarr.json": json.dumps(wanted[f"{group}/{name}"]).encode() for name in names}
        found[group] = Columns(f"{folder.url}/{group}", files, names)
    return found
