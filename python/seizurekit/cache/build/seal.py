"""Sealing a filled store: the columns, then the group's metadata, which makes it a store."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.build.fill import Filled
from seizurekit.cache.build.plan import Plan
from seizurekit.cache.build.writer import index_of
from seizurekit.cache.layout import (
    BUILD_FOLDER,
    CHUNKS_A_SHARD,
    COPY_FILE,
    EVENTS,
    FAILED,
    FORMAT_VERSION,
    GROUP_FILE,
    INDEX_BYTES,
    LOCK_FILE,
    NOWHERE,
    PLAN_FILE,
    RECORDINGS,
    SHARDS,
    SHARDS_GROUP,
    SIGNAL,
    shard_name,
    signal_metadata,
    text_column,
)
from seizurekit.recordings.annotations import SEIZURE_LABELS
from seizurekit.storage.folder import Folder, Span
from seizurekit.storage.local import LocalFolder


def seal(plan: Plan, filled: dict[int, Filled], folder: Folder) -> None:
    """Writes everything but the signal, the group's own metadata last: from then on it is a store."""
    shards = {int(name): size for name, size in folder.at(SHARDS).files().items()}
    tables = {
        RECORDINGS: ("recording", _recording_columns(plan, filled)),
        EVENTS: ("event", _event_columns(filled)),
        SHARDS_GROUP: ("shard", {"index": _indexes(folder, shards)}),
    }
    metadata: dict[str, Any] = {SIGNAL: signal_metadata(len(plan.chain.channels), plan.samples, plan.chunk)}
    folder.write(f"{SIGNAL}/{GROUP_FILE}", _json(metadata[SIGNAL]))
    for name, (row, table) in tables.items():
        for path, content in _table_files(name, row, table).items():
            folder.write(path, content)
            if path.endswith(GROUP_FILE):
                metadata[path.removesuffix(f"/{GROUP_FILE}")] = json.loads(content)
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {**_attributes(plan), "shards": sorted(shards)},
        # Readers then need not list the folder, nor open each array.
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": dict(sorted(metadata.items())),
        },
    }
    folder.write(GROUP_FILE, _json(group))


def remove_build(folder: Folder) -> None:
    """Takes away what an unfinished build or copy kept beside the store; last the file that makes it unfinished."""
    build = folder.at(BUILD_FOLDER)
    for name in sorted(build.files(), key=lambda name: name in (PLAN_FILE, COPY_FILE)):
        if folder.is_local or name != LOCK_FILE:  # in an object store its holder goes on renewing it
            build.remove(name)
    if isinstance(folder, LocalFolder):
        with suppress(OSError):  # another build may have put its lock there just now
            (folder.path / BUILD_FOLDER).rmdir()


def _indexes(folder: Folder, shards: dict[int, int]) -> NDArray[np.uint64]:
    """The shards' own indexes together, uint64 [shard, chunk, (offset, length)]."""
    index = np.full((max(shards, default=-1) + 1, CHUNKS_A_SHARD, 2), NOWHERE, np.uint64)
    spans = [Span(shard_name(number), size - INDEX_BYTES, size) for number, size in shards.items()]
    for number, part in zip(shards, folder.read_spans(spans), strict=True):
        index[number] = index_of(part, f"{folder.url}/{shard_name(number)}")
    return index


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _attributes(plan: Plan) -> dict[str, Any]:
    return {
        "format": "seizurekit",
        "format_version": FORMAT_VERSION,
        "split": plan.split,
        "channels": list(plan.chain.channels),
        "sampling_rate": plan.chain.sampling_rate,
        "step": plan.step,
        "chain": plan.chain.to_dict(),
        "chain_hash": plan.chain.hash,
        "seizure_labels": sorted(SEIZURE_LABELS),
        "split_policy": "no patient in more than one split",
        "plan_hash": plan.hash,
    }


def _recording_columns(plan: Plan, filled: dict[int, Filled]) -> dict[str, NDArray[Any]]:
    rows = list(enumerate(plan.recordings))
    nothing = (float("nan"),) * len(plan.chain.channels)
    found = [filled.get(index) for index, _ in rows]

    def texts(name: str) -> NDArray[np.uint8]:
        return text_column([getattr(recording, name) for _, recording in rows])

    def said(name: str, joint: str) -> NDArray[np.uint8]:
        return text_column([joint.join(getattr(each, name)) if each else "" for each in found])

    return {
        "id": texts("id"),
        "patient": texts("patient"),
        "session": texts("session"),
        "montage": texts("montage"),
        "source": texts("source"),
        "source_rate": np.array([recording.source_rate for _, recording in rows], np.float64),
        "first_sample": np.array([recording.first_sample for _, recording in rows], np.int64),
        "samples": np.array([recording.samples for _, recording in rows], np.int64),
        "mean": _floats([each.mean if each and each.status != FAILED else nothing for each in found], len(nothing)),
        "std": _floats([each.std if each and each.status != FAILED else nothing for each in found], len(nothing)),
        "reference": text_column([each.reference if each else "" for each in found]),
        "interpolated": said("interpolated", " "),
        "repairs": said("repairs", "; "),
        "remarks": said("remarks", "; "),
        "status": text_column([each.status if each else r.status for each, (_, r) in zip(found, rows, strict=True)]),
        "reason": text_column([each.reason if each else r.reason for each, (_, r) in zip(found, rows, strict=True)]),
    }


def _floats(rows: list[tuple[float, ...]], width: int) -> NDArray[np.float64]:
    return np.array(rows, np.float64).reshape(len(rows), width)


def _event_columns(filled: dict[int, Filled]) -> dict[str, NDArray[Any]]:
    events = [(index, *event) for index in sorted(filled) for event in filled[index].events]
    return {
        "recording": np.array([event[0] for event in events], np.int64),
        "start": np.array([event[1] for event in events], np.float64),
        "stop": np.array([event[2] for event in events], np.float64),
        "label": text_column([event[3] for event in events]),
        "confidence": np.array([event[4] for event in events], np.float64),
    }


def _table_files(group: str, row: str, columns: dict[str, NDArray[Any]]) -> dict[str, bytes]:
    """The files of a group of arrays, as zarr-python writes them."""
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    files: dict[str, Any] = {}
    table = zarr.create_group(zarr.storage.MemoryStore(files))
    for name, values in columns.items():
        is_text = values.dtype == np.uint8
        others = {1: [], 2: [f"{name}_byte" if is_text else "channel"], 3: ["chunk", "place"]}[values.ndim]
        table.create_array(
            name,
            data=values,
            chunks=tuple(max(size, 1) for size in values.shape),
            compressors=(ZstdCodec(), Crc32cCodec()),
            dimension_names=[row, *others],
            attributes={"encoding": "UTF-8 padded with zeros"} if is_text else {},
        )
    return {f"{group}/{path}": buffer.to_bytes() for path, buffer in files.items()}
