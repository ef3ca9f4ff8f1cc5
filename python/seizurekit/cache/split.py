"""One split of a store: its attributes, columns and signal."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizurekit._core import cache as core
from seizurekit.cache.layout import CHUNK_SECONDS, CHUNKS_PER_SHARD, EVENTS, OK, RECORDINGS, SHARDS, SHARDS_GROUP
from seizurekit.cache.read.columns import read_columns
from seizurekit.cache.read.local_reader import LocalReader
from seizurekit.cache.read.remote_reader import RemoteReader
from seizurekit.cache.read.shard_cache import DEFAULT_GB, ShardCache
from seizurekit.cache.read.signal_reader import ChunkError, SignalReader, default_threads
from seizurekit.cache.seizures import Seizures
from seizurekit.errors import CacheError
from seizurekit.signal.chain import Chain
from seizurekit.storage.folder import Folder
from seizurekit.storage.local import LocalFolder


class Split:
    """One split of a store, open for reading. Can be pickled, and read from several threads.

    Attributes:
        folder: the split's folder, local or in an object store.
        attributes: attributes of the split's Zarr group.
        split: the split's name.
        chain: the preprocessing of its recordings.
        channels: names of the channels in the order of the signal.
        sampling_rate: Hz.
        step: value of one unit of the stored integers.
        shards: indices of the shards that exist; a shard of zeros has no file.
        recordings: columns by name, one row a recording: id, patient, session, montage, source, source_rate (Hz),
            first_sample, samples, mean and std (µV, [recording, channel]), reference, interpolated, repairs, remarks,
            status, reason.
        events: columns by name, one row a seizure: recording, start (s), stop (s), label, confidence.
    """

    def __init__(
        self, folder: Folder, group: dict[str, Any], local_dir: str | None = None, local_dir_gb: float = DEFAULT_GB
    ) -> None:
        attributes = group["attributes"]
        self._arguments = (folder, group, local_dir, local_dir_gb)
        self.folder = folder
        self.attributes: dict[str, Any] = attributes
        self.split: str = attributes["split"]
        self.chain = Chain.from_dict(attributes["chain"])
        self.channels: tuple[str, ...] = tuple(attributes["channels"])
        self.sampling_rate: int = attributes["sampling_rate"]
        self.step: float = attributes["step"]
        self.shards: tuple[int, ...] = tuple(attributes["shards"])
        self._metadata = group["consolidated_metadata"]["metadata"]
        # Readers of an object store need the shards' indexes: they come with the same requests.
        groups = (RECORDINGS, EVENTS) if folder.is_local else (RECORDINGS, EVENTS, SHARDS_GROUP)
        self._tables = read_columns(folder, self._metadata, groups)
        self.recordings, self.events = self._tables[RECORDINGS], self._tables[EVENTS]
        self._local_dir, self._local_dir_gb = local_dir, local_dir_gb

    def __reduce__(self) -> tuple[type[Split], tuple[Any, ...]]:
        return type(self), self._arguments

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.folder.url!r}, {len(self.recordings['id'])} recordings)"

    @property
    def path(self) -> Path:
        """The folder of a local split. Raises CacheError for one in an object store."""
        if not isinstance(self.folder, LocalFolder):
            raise CacheError(f"{self.folder.url}: is in an object store, expected a local store")
        return self.folder.path

    @property
    def chunk(self) -> int:
        """Samples of a channel in a chunk."""
        return CHUNK_SECONDS * self.sampling_rate

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Which recordings have windows: those that were read and have annotations. Bool [recording]."""
        return np.asarray(self.recordings["status"] == OK)

    @cached_property
    def seizures(self) -> Seizures:
        """The seizures of all recordings, in samples."""
        return Seizures(
            self.recordings["samples"],
            self.events["recording"],
            self.events["start"],
            self.events["stop"],
            self.sampling_rate,
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the split's chain and of every column of its recordings and events."""
        digest = hashlib.sha256(f"{self.chain.hash} {self.step} {self.sampling_rate}".encode())
        for table in (self.recordings, self.events):
            for name in sorted(table):
                digest.update(name.encode() + np.ascontiguousarray(table[name]).tobytes())
        return digest.hexdigest()

    def mask(self, recording: int) -> NDArray[np.uint8]:
        """The mask of a recording, uint8 [sample]: 1 where a seizure is annotated."""
        mask = np.zeros(int(self.recordings["samples"][recording]), np.uint8)
        self.seizures.draw(int(self.seizures.offsets[recording]), mask)
        return mask

    def read(
        self, recording: int, start: int = 0, stop: int | None = None, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The samples of a recording from `start` to `stop` (default: its end).

        Returns:
            float32 [channel, sample], z-scored; `out`, if it is given.

        Raises:
            ValueError: samples outside the recording, or `out` has another shape or dtype.
            CacheError: a chunk is damaged; names recording, shard, chunk and bytes.
            StorageError: the object store cannot be reached.
        """
        samples = int(self.recordings["samples"][recording])
        stop = samples if stop is None else stop
        if not 0 <= start <= stop <= samples:
            raise ValueError(f"samples are {start} to {stop}, expected a range within 0 to {samples}")
        shape = (len(self.channels), stop - start)
        x = np.empty(shape, np.float32) if out is None else out
        if x.shape != shape or x.dtype != np.float32 or not x.flags.c_contiguous:
            raise ValueError(f"out is {x.dtype} {x.shape}, expected C-contiguous float32 {shape}")
        if start < stop:
            first = np.array([self.recordings["first_sample"][recording] + start], np.int64)
            errors = self.reader.read(core.ReadRequest(first, x[None]), default_threads())
            if errors:
                raise CacheError(self.describe(errors[0], recording))
        return x

    def describe(self, error: ChunkError, recording: int) -> str:
        """A message that names the recording, shard, chunk and bytes of a chunk that could not be read."""
        return f"recording {self.recordings['id'][recording]}: {self.folder.url}/{error}"

    @cached_property
    def reader(self) -> SignalReader:
        """The reader of the signal."""
        geometry = core.Geometry(
            channels=len(self.channels), chunk=self.chunk, chunks_per_shard=CHUNKS_PER_SHARD, step=self.step
        )
        if isinstance(self.folder, LocalFolder):
            return LocalReader(self.folder.at(SHARDS), geometry, self.shards)
        return RemoteReader(self.folder, geometry, self.shards, self.shard_indexes(), self._shard_cache())

    def shard_indexes(self) -> NDArray[np.uint64]:
        """The indexes of all shards, uint64 [shard, chunk, (offset, length)]."""
        if SHARDS_GROUP not in self._tables:
            self._tables |= read_columns(self.folder, self._metadata, [SHARDS_GROUP])
        return np.asarray(self._tables[SHARDS_GROUP]["index"], np.uint64)

    def _shard_cache(self) -> ShardCache | None:
        if self._local_dir is None:
            return None
        identity = str(self.attributes.get("plan_hash", ""))
        shape = (len(self.channels), self.chunk)
        return ShardCache(self._local_dir, self.folder, identity, shape, round(self._local_dir_gb * 1e9))
