"""Opening a store and reading recordings from it."""

from __future__ import annotations

import json
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.layout import (
    BUILD_FOLDER,
    CHUNK_SECONDS,
    CHUNKS_A_SHARD,
    EVENTS,
    FORMAT_VERSION,
    GROUP_FILE,
    OK,
    RECORDINGS,
    shard_path,
    text_of,
)
from seizurekit.cache.manifest import Manifest, read_manifest
from seizurekit.cache.shard import Shard
from seizurekit.cache.windows import Seizures, Windows
from seizurekit.errors import CacheError
from seizurekit.signal.chain import Chain


class Cache:
    """One split of a store, open for reading; made by `open_cache`. Can be pickled, and read from several threads.

    Attributes:
        path: the split's folder.
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

    def __init__(self, path: Path, attributes: dict[str, Any]) -> None:
        self.path = path
        self.attributes = attributes
        self.split: str = attributes["split"]
        self.chain = Chain.from_dict(attributes["chain"])
        self.channels: tuple[str, ...] = tuple(attributes["channels"])
        self.sampling_rate: int = attributes["sampling_rate"]
        self.step: float = attributes["step"]
        self.shards: tuple[int, ...] = tuple(attributes["shards"])
        self.recordings = _columns(path / RECORDINGS)
        self.events = _columns(path / EVENTS)
        self._chunk = CHUNK_SECONDS * self.sampling_rate
        self._shards: dict[int, Shard] = {}

    def __reduce__(self) -> tuple[type[Cache], tuple[Path, dict[str, Any]]]:
        return type(self), (self.path, self.attributes)

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

    def windows(self, window: float = 60.0, stride: float = 10.0) -> Windows:
        """Windows of `window` seconds, one every `stride` seconds; a recording's rest that fills none is left out."""
        return Windows(self, window, stride)

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
        """
        samples = int(self.recordings["samples"][recording])
        stop = samples if stop is None else stop
        if not 0 <= start <= stop <= samples:
            raise ValueError(f"samples {start} to {stop}: the recording has {samples}")
        shape = (len(self.channels), stop - start)
        x = np.empty(shape, np.float32) if out is None else out
        if x.shape != shape or x.dtype != np.float32:
            raise ValueError(f"out: found {x.dtype} {x.shape}, wanted float32 {shape}")
        first = int(self.recordings["first_sample"][recording])
        try:
            self._read_into(x, first + start, first + stop)
        except CacheError as error:
            raise CacheError(f"recording {self.recordings['id'][recording]}: {error}") from None
        return x

    def _read_into(self, x: NDArray[np.float32], first: int, end: int) -> None:
        step = np.float32(self.step)
        for chunk in range(first // self._chunk, -(-end // self._chunk)):
            chunk_first = chunk * self._chunk
            begin, stop = max(first, chunk_first), min(end, chunk_first + self._chunk)
            to = x[:, begin - first : stop - first]
            stored = self.shard(chunk // CHUNKS_A_SHARD).read(chunk % CHUNKS_A_SHARD)
            if stored is None:
                to[...] = 0.0
            else:
                np.multiply(stored[:, begin - chunk_first : stop - chunk_first], step, out=to)

    def shard(self, number: int) -> Shard:
        """A shard, opened once.

        Raises:
            CacheError: it is damaged, or missing though the store has it: its samples are not zeros.
        """
        if number not in self._shards:
            path = shard_path(self.path, number)
            if number in self.shards and not path.exists():
                raise CacheError(f"{path}: missing shard")
            self._shards[number] = Shard(path, (len(self.channels), self._chunk))
        return self._shards[number]

    def __repr__(self) -> str:
        return f"Cache({str(self.path)!r}, {len(self.recordings['id'])} recordings)"


def open_cache(
    path_or_url: str | PathLike[str],
    split: str = "train",
    storage_options: dict[str, Any] | None = None,
    chain: Chain | None = None,
) -> Cache:
    """Opens one split of a store.

    Args:
        path_or_url: the store's folder, which holds a folder a split.
        split: which of them.
        storage_options: for object stores; none are read yet.
        chain: refuse a store of another preprocessing chain than this.

    Raises:
        CacheError: no such store or split, an unfinished build, another format version, another chain.
    """
    location = fspath(path_or_url)
    if "://" in location or storage_options:
        raise CacheError(f"{location}: found a URL, wanted a local folder; copy the store to one first")
    root = Path(location)
    path = root / split
    try:
        group = json.loads((path / GROUP_FILE).read_text())
        attributes = group["attributes"]
        version = attributes["format_version"]
    except FileNotFoundError:
        raise CacheError(_why_absent(root, split)) from None
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        raise CacheError(f"{path / GROUP_FILE}: damaged: wanted the metadata of a seizurekit store") from None
    if version != FORMAT_VERSION:
        raise CacheError(f"{path}: found format version {version}, wanted {FORMAT_VERSION}: build the store anew")
    try:
        cache, built_with = Cache(path, attributes), attributes["chain_hash"]
    except KeyError as error:
        raise CacheError(f"{path / GROUP_FILE}: damaged: attribute {error}: found nothing, wanted it") from None
    if chain is not None and chain.hash != built_with:
        told = (
            "; ".join(cache.chain.differences(chain)) or "the arithmetic, which changed between versions of seizurekit"
        )
        raise CacheError(
            f"{path}: found a store of chain {built_with[:12]}, wanted {chain.hash[:12]}; "
            f"they differ in (store's, wanted) {told}"
        )
    return cache


def splits_of(root: str | PathLike[str]) -> tuple[str, ...]:
    """Names of the splits in a store's folder, finished ones only."""
    folders = sorted(path.parent.name for path in Path(root).glob(f"*/{GROUP_FILE}"))
    order = ("train", "dev", "eval")
    return tuple(sorted(folders, key=lambda name: (order.index(name) if name in order else len(order), name)))


def _why_absent(root: Path, split: str) -> str:
    if (root / split / BUILD_FOLDER).is_dir():
        return f"{root / split}: unfinished build: run the same build-cache command again, it goes on where it stopped"
    if not root.is_dir():
        return f"{root}: no such store; build-cache makes one"
    present = splits_of(root)
    return f"{root}: no split {split!r} in it, found {', '.join(present) or 'no store'}"


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    import zarr

    try:
        group = zarr.open_group(zarr.storage.LocalStore(path, read_only=True), mode="r")
        arrays = {name: np.asarray(array[...]) for name, array in group.arrays()}
    except Exception as error:
        raise CacheError(f"{path}: damaged: its columns cannot be read: {error}") from error
    return {name: text_of(values) if values.dtype == np.uint8 else values for name, values in arrays.items()}
