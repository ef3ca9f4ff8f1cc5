"""The store's format: names, shapes and codecs. Version 1.

A split is a Zarr v3 group. ``signal`` is int16 (channels, samples) in fixed point, ``value * step`` being z-scored
EEG; ``recordings/*`` and ``events/*`` are one array a column. docs/storage.md says why it is so.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 1
CHUNK_SECONDS = 10
CHUNKS_A_SHARD = 512
STEP = 1 / 512
"""Fixed-point step: 65 dB below a z-scored channel's standard deviation, ±64 in range."""

SIGNAL = "signal"
RECORDINGS = "recordings"
EVENTS = "events"
SHARDS_GROUP = "shards"
"""Its array `index`, uint64 [shard, chunk, (offset, length)], is all shards' own indexes, for one request."""
GROUP_FILE = "zarr.json"
MANIFEST_FILE = "manifest.json"
BUILD_FOLDER = ".build"
"""Of an unfinished build: its plan and what is known of finished shards. A sealed store has none."""
PLAN_FILE, COPY_FILE, LOCK_FILE = "plan.json", "copy.json", "lock"

NOWHERE = 2**64 - 1
"""In a shard's index: offset and length of a chunk that is absent, all its samples being 0."""

OK, UNLABELLED, FAILED = "ok", "unlabelled", "failed"
"""A recording's status. Only recordings that are ok give windows: no annotations is not the same as no seizures."""


SHARDS = f"{SIGNAL}/c/0"
"""Folder of the shards in a split's folder, by Zarr's default chunk keys."""
INDEX_BYTES = CHUNKS_A_SHARD * 16 + 4
"""At a shard's end: offset and length of each chunk, and a CRC-32C."""


def shard_name(shard: int) -> str:
    """A shard's file in its split's folder."""
    return f"{SHARDS}/{shard}"


def chunk_names(path: str, array: Mapping[str, Any]) -> list[str]:
    """Files of the chunks of the array at `path`, of its metadata, by Zarr's default chunk keys."""
    chunk_shape = array["chunk_grid"]["configuration"]["chunk_shape"]
    counts = [-(-size // chunk) for size, chunk in zip(array["shape"], chunk_shape, strict=True)]
    return ["/".join((path, "c", *map(str, place))) for place in itertools.product(*map(range, counts))]


def signal_metadata(channels: int, samples: int, chunk: int) -> dict[str, Any]:
    """`signal`'s zarr.json, by the Zarr v3 specification and its sharding codec, version 1.0."""
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
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [channels, chunk * CHUNKS_A_SHARD]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": {},
        "dimension_names": ["channel", "sample"],
        "storage_transformers": [],
    }


def text_column(values: list[str]) -> NDArray[np.uint8]:
    """Strings as uint8 [row, byte], UTF-8 padded with zeros: Zarr v3 has no string type that all readers know."""
    encoded = [value.encode() for value in values]
    width = max((len(value) for value in encoded), default=0) or 1
    joined = b"".join(value.ljust(width, b"\0") for value in encoded)
    return np.frombuffer(joined, np.uint8).reshape(len(values), width)


def text_of(column: NDArray[np.uint8]) -> NDArray[np.str_]:
    """The strings of a `text_column`."""
    return np.array([row.tobytes().rstrip(b"\0").decode() for row in column], dtype=np.str_)
