"""Sealing a filled split: its columns, then the metadata of its group, which turn the folder into a store."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.build.fill import FilledRecording
from seizurekit.cache.build.plan import Plan
from seizurekit.cache.layout import (
    CHUNKS_PER_SHARD,
    EVENTS,
    FAILED,
    FORMAT_VERSION,
    GROUP_FILE,
    INDEX_BYTES,
    NOT_STORED,
    RECORDINGS,
    SHARDS,
    SHARDS_GROUP,
    SIGNAL,
    shard_name,
    signal_metadata,
    text_column,
)
from seizurekit.cache.shard_file import decode_index
from seizurekit.recordings.annotations import SEIZURE_LABELS
from seizurekit.storage.folder import Folder, Span


def seal(plan: Plan, filled: dict[int, FilledRecording], folder: Folder) -> None:
    """Writes everything but the signal. The metadata of the group come last: without them the folder is not a store."""
    shards = {int(name): size for name, size in folder.at(SHARDS).files().items()}
    tables = {
        RECORDINGS: ("recording", _recording_columns(plan, filled)),
        EVENTS: ("event", _event_columns(filled)),
        SHARDS_GROUP: ("shard", {"index": _read_indexes(folder, shards)}),
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
        # With these, readers neither list the folder nor open each array.
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": dict(sorted(metadata.items())),
        },
    }
    folder.write(GROUP_FILE, _json(group))


def _read_indexes(folder: Folder, shards: dict[int, int]) -> NDArray[np.uint64]:
    """The indexes of all shards, uint64 [shard, chunk, (offset, length)]; `shards` maps shards to sizes in bytes."""
    indexes = np.full((max(shards, default=-1) + 1, CHUNKS_PER_SHARD, 2), NOT_STORED, np.uint64)
    spans = [Span(shard_name(shard), size - INDEX_BYTES, size) for shard, size in shards.items()]
    for shard, data in zip(shards, folder.read_spans(spans), strict=True):
        indexes[shard] = decode_index(data, f"{folder.url}/{shard_name(shard)}")
    return indexes


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


def _recording_columns(plan: Plan, filled: dict[int, FilledRecording]) -> dict[str, NDArray[Any]]:
    planned = plan.recordings
    results = [filled.get(index) for index in range(len(planned))]
    channels = len(plan.chain.channels)

    def statistics(name: str) -> NDArray[np.float64]:
        """[recording, channel]; NaN for a recording that was not read."""
        unknown = (float("nan"),) * channels
        rows = [getattr(each, name) if each and each.status != FAILED else unknown for each in results]
        return np.array(rows, np.float64).reshape(len(rows), channels)

    def join_texts(name: str, separator: str) -> NDArray[np.uint8]:
        return text_column([separator.join(getattr(each, name)) if each else "" for each in results])

    return {
        "id": text_column([each.id for each in planned]),
        "patient": text_column([each.patient for each in planned]),
        "session": text_column([each.session for each in planned]),
        "montage": text_column([each.montage for each in planned]),
        "source": text_column([each.source for each in planned]),
        "source_rate": np.array([each.source_rate for each in planned], np.float64),
        "first_sample": np.array([each.first_sample for each in planned], np.int64),
        "samples": np.array([each.samples for each in planned], np.int64),
        "mean": statistics("mean"),
        "std": statistics("std"),
        "reference": text_column([each.reference if each else "" for each in results]),
        "interpolated": join_texts("interpolated", " "),
        "repairs": join_texts("repairs", "; "),
        "remarks": join_texts("remarks", "; "),
        "status": text_column([(own or each).status for own, each in zip(results, planned, strict=True)]),
        "reason": text_column([(own or each).reason for own, each in zip(results, planned, strict=True)]),
    }


def _event_columns(filled: dict[int, FilledRecording]) -> dict[str, NDArray[Any]]:
    events = [(index, *event) for index in sorted(filled) for event in filled[index].events]
    return {
        "recording": np.array([event[0] for event in events], np.int64),
        "start": np.array([event[1] for event in events], np.float64),
        "stop": np.array([event[2] for event in events], np.float64),
        "label": text_column([event[3] for event in events]),
        "confidence": np.array([event[4] for event in events], np.float64),
    }


def _table_files(group: str, row: str, columns: dict[str, NDArray[Any]]) -> dict[str, bytes]:
    """The files of a group of arrays by name, as zarr-python writes them; `row` names the arrays' first dimension."""
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
