"""Opening a store and reading recordings from it."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizurekit._core import cache as core
from seizurekit.cache.layout import (
    BUILD_FOLDER,
    CHUNK_SECONDS,
    CHUNKS_A_SHARD,
    COPY_FILE,
    EVENTS,
    FORMAT_VERSION,
    GROUP_FILE,
    OK,
    PLAN_FILE,
    RECORDINGS,
    SHARDS,
    SHARDS_GROUP,
)
from seizurekit.cache.manifest import Manifest, read_manifest
from seizurekit.cache.read.columns import read_columns
from seizurekit.cache.read.local import LocalReader, SignalReader, Unreadable, default_threads
from seizurekit.cache.read.remote import RemoteReader
from seizurekit.cache.read.shard_cache import DEFAULT_GB, ShardCache
from seizurekit.cache.windows import Seizures, Windows
from seizurekit.errors import CacheError
from seizurekit.signal.chain import Chain
from seizurekit.storage.folder import Folder, Options
from seizurekit.storage.local import LocalFolder
from seizurekit.storage.open import open_folder


class Cache:
    """One split of a store, open for reading; made by `open_cache`. Can be pickled, and read from several threads.

    Attributes:
        folder: the split's, local or in an object store.
        split: its name.
        chain: the preprocessing that its recordings went through.
        channels: their order in the signal.
        sampling_rate: Hz.
        step: value of one unit of the stored integers.
        shards: numbers of the shards that have a file; one of zeros alone has none.
        recordings: columns by name, one row a recording: id, patient, session, montage, source, source_rate (Hz),
            first_sample, samples, mean and std (µV, [recording, channel]), reference, interpolated, repairs, remarks,
            status, reason.
        events: columns by name, one row a seizure: recording, start (s), stop (s), label, confidence.
    """

    def __init__(
        self, folder: Folder, group: dict[str, Any], local_dir: str | None = None, local_dir_gb: float = DEFAULT_GB
    ) -> None:
        attributes = group["attributes"]
        self._made_of = (folder, group, local_dir, local_dir_gb)
        self.folder = folder
        self.attributes: dict[str, Any] = attributes
        self.split: str = attributes["split"]
        self.chain = Chain.from_dict(attributes["chain"])
        self.channels: tuple[str, ...] = tuple(attributes["channels"])
        self.sampling_rate: int = attributes["sampling_rate"]
        self.step: float = attributes["step"]
        self.shards: tuple[int, ...] = tuple(attributes["shards"])
        metadata = group["consolidated_metadata"]["metadata"]
        groups = (RECORDINGS, EVENTS) if folder.is_local else (RECORDINGS, EVENTS, SHARDS_GROUP)
        columns = read_columns(folder, metadata, groups)
        self.recordings, self.events = columns[RECORDINGS], columns[EVENTS]
        self._columns = columns
        self._local_dir, self._local_dir_gb = local_dir, local_dir_gb

    def __reduce__(self) -> tuple[type[Cache], tuple[Any, ...]]:
        return type(self), self._made_of

    @property
    def path(self) -> Path:
        """The split's folder, of a local store."""
        if not isinstance(self.folder, LocalFolder):
            raise CacheError(f"{self.folder.url}: found a store that is not local, wanted a folder")
        return self.folder.path

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Which recordings give windows: those that could be read and are annotated."""
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
    def manifest(self) -> Manifest:
        """The windows of 60 s every 10 s counted by kind; counted anew where the file is missing, stale or damaged."""
        return read_manifest(self)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what the split holds: its chain, and every column of its recordings and events."""
        digest = hashlib.sha256(f"{self.chain.hash} {self.step} {self.sampling_rate}".encode())
        for table in (self.recordings, self.events):
            for name in sorted(table):
                digest.update(name.encode() + np.ascontiguousarray(table[name]).tobytes())
        return digest.hexdigest()

    def windows(self, window: float = 60.0, stride: float = 10.0, limit: int | None = None) -> Windows:
        """Windows of `window` seconds, one every `stride` seconds; a recording's rest that fills none is left out.

        `limit`: of the first so many recordings alone; None for all.
        """
        return Windows(self, window, stride, limit)

    def mask(self, recording: int) -> NDArray[np.uint8]:
        """Uint8 [sample] of a recording, 1 where it is annotated as seizure."""
        mask = np.zeros(int(self.recordings["samples"][recording]), np.uint8)
        self.seizures.draw(int(self.seizures.offsets[recording]), mask)
        return mask

    def read(
        self, recording: int, start: int = 0, stop: int | None = None, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """A recording's samples from `start` to `stop` (its end by default).

        Returns:
            float32 [channel, sample], z-scored; `out`, filled, where it is given.

        Raises:
            ValueError: samples outside the recording, or `out` does not fit.
            CacheError: a chunk is damaged; the message names recording, shard, chunk and bytes.
            StorageError: the object store cannot be reached.
        """
        samples = int(self.recordings["samples"][recording])
        stop = samples if stop is None else stop
        if not 0 <= start <= stop <= samples:
            raise ValueError(f"samples {start} to {stop}: the recording has {samples}")
        shape = (len(self.channels), stop - start)
        x = np.empty(shape, np.float32) if out is None else out
        if x.shape != shape or x.dtype != np.float32 or not x.flags.c_contiguous:
            raise ValueError(f"out: found {x.dtype} {x.shape}, wanted contiguous float32 {shape}")
        if start < stop:
            first = np.array([self.recordings["first_sample"][recording] + start], np.int64)
            failed = self.reader.read(core.ReadRequest(first, x[None]), default_threads())
            if failed:
                raise CacheError(self.told(failed[0], recording))
        return x

    def told(self, failed: Unreadable, recording: int) -> str:
        """What there is to say of a chunk that could not be read: recording, shard, chunk and bytes."""
        return f"recording {self.recordings['id'][recording]}: {self.folder.url}/{failed}"

    @cached_property
    def reader(self) -> SignalReader:
        """What reads stretches of the signal."""
        chunk = self.chunk
        geometry = core.Geometry(
            channels=len(self.channels), chunk=chunk, chunks_per_shard=CHUNKS_A_SHARD, step=self.step
        )
        if isinstance(self.folder, LocalFolder):
            return LocalReader(self.folder.at(SHARDS), geometry, self.shards)
        return RemoteReader(self.folder, geometry, self.shards, self.shard_indexes(), self._shard_cache())

    def shard_indexes(self) -> NDArray[np.uint64]:
        """The shards' own indexes together, uint64 [shard, chunk, (offset, length)]."""
        if SHARDS_GROUP not in self._columns:
            metadata = self._made_of[1]["consolidated_metadata"]["metadata"]
            self._columns |= read_columns(self.folder, metadata, [SHARDS_GROUP])
        return np.asarray(self._columns[SHARDS_GROUP]["index"], np.uint64)

    @property
    def chunk(self) -> int:
        """Samples of a channel in a chunk."""
        return CHUNK_SECONDS * self.sampling_rate

    def _shard_cache(self) -> ShardCache | None:
        if self._local_dir is None:
            return None
        identity = str(self.attributes.get("plan_hash", ""))
        shape = (len(self.channels), self.chunk)
        return ShardCache(self._local_dir, self.folder, identity, shape, round(self._local_dir_gb * 1e9))

    def __repr__(self) -> str:
        return f"Cache({self.folder.url!r}, {len(self.recordings['id'])} recordings)"


def open_cache(
    path_or_url: str | PathLike[str],
    split: str = "train",
    storage_options: Options | None = None,
    chain: Chain | None = None,
    local_dir: str | PathLike[str] | None = None,
    local_dir_gb: float = DEFAULT_GB,
) -> Cache:
    """Opens one split of a store.

    Args:
        path_or_url: the store's folder, which holds a folder a split: a path, or a URL (``s3://``, ``gs://``,
            ``az://``, ``https://``).
        split: which of them.
        storage_options: of an object store, as obstore's store of that scheme takes them; what is not given comes
            from the usual variables (``AWS_*``, ``AWS_ENDPOINT_URL`` too).
        chain: refuse a store of another preprocessing chain than this.
        local_dir: of an object store: keep whole shards in this folder, so that they are read locally the next time.
        local_dir_gb: most that is kept there, GB.

    Raises:
        CacheError: no such store or split, an unfinished build, another format version, another chain.
        StorageError: the object store cannot be reached, or refuses.
    """
    root = open_folder(path_or_url, storage_options)
    return open_split(root, split, chain, None if local_dir is None else fspath(local_dir), local_dir_gb)


def open_split(
    root: Folder,
    split: str,
    chain: Chain | None = None,
    local_dir: str | None = None,
    local_dir_gb: float = DEFAULT_GB,
) -> Cache:
    """Opens one split of the store in a folder, see `open_cache`."""
    folder = root.at(split)
    place = f"{folder.url}/{GROUP_FILE}"
    try:
        group = json.loads(folder.read(GROUP_FILE))
        attributes = group["attributes"]
        version = attributes["format_version"]
    except (FileNotFoundError, NotADirectoryError):
        raise CacheError(_why_absent(root, split)) from None
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        raise CacheError(f"{place}: damaged: wanted the metadata of a seizurekit store") from None
    if version != FORMAT_VERSION:
        raise CacheError(f"{folder.url}: found format version {version}, wanted {FORMAT_VERSION}: build the store anew")
    if local_dir_gb <= 0:
        raise CacheError(f"local_dir_gb: found {local_dir_gb:g}, wanted more than 0")
    try:
        cache = Cache(folder, group, local_dir, local_dir_gb)
        built_with = attributes["chain_hash"]
    except KeyError as error:
        raise CacheError(f"{place}: damaged: attribute {error}: found nothing, wanted it") from None
    if chain is not None and chain.hash != built_with:
        told = (
            "; ".join(cache.chain.differences(chain)) or "the arithmetic, which changed between versions of seizurekit"
        )
        raise CacheError(
            f"{folder.url}: found a store of chain {built_with[:12]}, wanted {chain.hash[:12]}; "
            f"they differ in (store's, wanted) {told}"
        )
    return cache


def splits_of(root: str | PathLike[str], storage_options: Options | None = None) -> tuple[str, ...]:
    """Names of the splits in a store's folder, finished ones only."""
    return splits_in(open_folder(root, storage_options))


def splits_in(root: Folder) -> tuple[str, ...]:
    """Names of the finished splits in a store's folder."""
    names = root.folders()
    finished = [name for name in names if root.size(f"{name}/{GROUP_FILE}") is not None]
    order = ("train", "dev", "eval")
    return tuple(sorted(finished, key=lambda name: (order.index(name) if name in order else len(order), name)))


def _why_absent(root: Folder, split: str) -> str:
    if root.size(f"{split}/{BUILD_FOLDER}/{PLAN_FILE}") is not None:
        return (
            f"{root.url}/{split}: unfinished build: run the same build-cache command again, it goes on where it stopped"
        )
    if root.size(f"{split}/{BUILD_FOLDER}/{COPY_FILE}") is not None:
        place = f"{root.url}/{split}"
        return f"{place}: unfinished copy: run the same sync-cache command again, it goes on where it stopped"
    present = splits_in(root)
    if not present and (not root.is_local or not Path(root.url).is_dir()):
        return f"{root.url}: no such store; build-cache makes one"
    return f"{root.url}: no split {split!r} in it, found {', '.join(present) or 'no store'}"
