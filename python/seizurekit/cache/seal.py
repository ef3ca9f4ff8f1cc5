"""Sealing a filled store: the columns, then the group's metadata, which makes it a store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizurekit.atomic import write_whole
from seizurekit.cache.fill import Filled
from seizurekit.cache.layout import (
    BUILD_FOLDER,
    EVENTS,
    FAILED,
    FORMAT_VERSION,
    GROUP_FILE,
    RECORDINGS,
    SIGNAL,
    shard_path,
    signal_metadata,
    text_column,
)
from seizurekit.cache.plan import Plan
from seizurekit.recordings.annotations import SEIZURE_LABELS


def seal(plan: Plan, filled: dict[int, Filled], split_dir: Path) -> None:
    """Writes everything but the signal, the group's own metadata last, and ends the build."""
    metadata = signal_metadata(len(plan.chain.channels), plan.samples, plan.chunk)
    write_whole(split_dir / SIGNAL / GROUP_FILE, _json(metadata))
    _write_columns(split_dir, RECORDINGS, "recording", _recording_columns(plan, filled))
    _write_columns(split_dir, EVENTS, "event", _event_columns(filled))
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": _attributes(plan, sorted(int(path.name) for path in shard_path(split_dir, 0).parent.glob("*"))),
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": _metadata_below(split_dir)},
    }
    write_whole(split_dir / GROUP_FILE, _json(group))
    shutil.rmtree(split_dir / BUILD_FOLDER)


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _metadata_below(split_dir: Path) -> dict[str, Any]:
    """The metadata of all groups and arrays by path: readers then need not list the folder, nor open each."""
    paths = sorted(path.parent for path in split_dir.glob(f"*/**/{GROUP_FILE}"))
    return {path.relative_to(split_dir).as_posix(): json.loads((path / GROUP_FILE).read_text()) for path in paths}


def _attributes(plan: Plan, shards: list[int]) -> dict[str, Any]:
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
        "shards": shards,
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


def _write_columns(split_dir: Path, group: str, row: str, columns: dict[str, NDArray[Any]]) -> None:
    import zarr

    store = zarr.storage.LocalStore(split_dir / group)
    table = zarr.create_group(store, overwrite=True)
    for name, values in columns.items():
        kind = "byte" if values.dtype == np.uint8 else "channel"
        table.create_array(
            name,
            data=values,
            chunks=tuple(max(size, 1) for size in values.shape),
            dimension_names=[row] if values.ndim == 1 else [row, f"{name}_byte" if kind == "byte" else kind],
            attributes={"encoding": "UTF-8 padded with zeros"} if kind == "byte" else {},
        )
