"""The store's format, version 1: names, shapes and codecs.

A split is a Zarr v3 group. ``signal`` is int16 (channels, samples) in fixed point: ``value * step`` is z-scored EEG.
``recordings/*`` and ``events/*`` are one array for each column. docs/storage.md gives the reasons.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 1
CHUNK_SECONDS = 10
CHUNKS_PER_SHARD = 512
STEP = 1 / 512
"""Fixed-point step: 65 dB below a z-scored channel's standard deviation, ±64 in range."""

SIGNAL = "signal"
RECORDINGS = "recordings"
EVENTS = "events"
SHARDS_GROUP = "shards"
"""Group of the array `index`, uint64 [shard, chunk, (offset, length)]: copies of all shards' indexes in one request."""
GROUP_FILE = "zarr.json"
MANIFEST_FILE = "manifest.json"
BUILD_FOLDER = ".build"
"""Folder of an unfinished build: its plan and the results of finished shards. A sealed store has none."""
PLAN_FILE, COPY_FILE, LOCK_FILE = "plan.json", "copy.json", "lock"

NOT_STORED = 2**64 - 1
"""Offset and length, in a shard's index, of a chunk that is not stored because all its samples are 0."""

OK, UNLABELLED, FAILED = "ok", "unlabelled", "failed"
"""Status of a recording. Only ok recordings have windows: no annotations is not the same as no seizures."""

SHARDS = f"{SIGNAL}/c/0"
"""Folder of the shards within a split's folder, by Zarr's default chunk keys."""
INDEX_BYTES = CHUNKS_PER_SHARD * 16 + 4
"""Bytes of the index at the end of a shard: offset and length of each chunk, and a CRC-32C."""


def shard_name(shard: int) -> str:
    """Name of a shard's file within its split's folder."""
    return f"{SHARDS}/{shard}"


def chunk_names(path: str, array: Mapping[str, Any]) -> list[str]:
    """Names of the chunk files of the array at `path`, by Zarr's default chunk keys; `array` is its metadata."""
    chunk_shape = array["chunk_grid"]["configuration"]["chunk_shape"]
    counts = [-(-size // chunk) for size, chunk in zip(array["shape"], chunk_shape, strict=True)]
    return ["/".join((path, "c", *map(str, position))) for position in itertools.product(*map(range, counts))]


def signal_metadata(channels: int, samples: int, chunk: int) -> dict[str, Any]:
    """The zarr.json of `signal`, by the Zarr v3 specification and its sharding codec, version 1.0."""
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    checksum = {"name": "crc32c"}
    blosc = {"cname": "lz4", "clevel": 9, "shuffle": "bitshuffle", "typesize": 2, "blocksize": 0}
    sharding = {
        "chunk_shape": [channels, chunk],
        "codecs": [little, {"name": "blosc", "configuration": blosc}, checksum],
        "index_codecs": [little, checksum],
        "index_location": "end",
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [channels, samples],
        "data_type": "int16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [channels, chunk * CHUNKS_PER_SHARD]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": {},
        "dimension_names": ["channel", "sample"],
        "storage_transformers": [],
    }


def text_column(values: Sequence[str]) -> NDArray[np.uint8]:
    """Strings as uint8 [row, byte], UTF-8 padded with zeros: Zarr v3 has no string type that all readers support."""
    encoded = [value.encode() for value in values]
    width = max((len(value) for value in encoded), default=0) or 1
    joined = b"".join(value.ljust(width, b"\0") for value in encoded)
    return np.frombuffer(joined, np.uint8).reshape(len(values), width)


def text_of(column: NDArray[np.uint8]) -> NDArray[np.str_]:
    """The strings of a `text_column`."""
    return np.array([row.tobytes().rstrip(b"\0").decode() for row in column], dtype=np.str_)
