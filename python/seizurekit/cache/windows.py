"""Windows over a store: where they are, how much of each is seizure, and reading them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from seizurekit._core import cache as core
from seizurekit.cache.read.local import Unreadable, default_threads, dtype_of
from seizurekit.errors import CacheError

if TYPE_CHECKING:
    from seizurekit.cache.read.blocks import BlockCache
    from seizurekit.cache.store import Cache

FULL_SHARE = 0.99
"""A window is full when at least this share of it is seizure."""


class WindowKind(IntEnum):
    """How much of a window is seizure."""

    NONE = 0
    PARTIAL = 1
    FULL = 2


class Seizures:
    """A split's seizures as disjoint stretches of samples, on one axis on which the recordings lie end to end.

    Events are in seconds; sample indices are ``int(start * rate)`` and ``int(stop * rate)``.
    """

    def __init__(
        self,
        samples: NDArray[np.int64],
        recording: NDArray[np.int64],
        start: NDArray[np.float64],
        stop: NDArray[np.float64],
        rate: int,
    ) -> None:
        self.offsets = np.concatenate([[0], np.cumsum(samples)])
        own_end = samples[recording]
        first = np.clip((start * rate).astype(np.int64), 0, own_end) + self.offsets[recording]
        end = np.clip((stop * rate).astype(np.int64), 0, own_end) + self.offsets[recording]
        self.first, self.end = _disjoint(first[end > first], end[end > first])
        self._before = np.concatenate([[0], np.cumsum(self.end - self.first)])
        self.labels = core.Labels(self.first, self.end)

    def count(self, first: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
        """Seizure samples in the stretches [first, end) of the axis."""
        return self._up_to(end) - self._up_to(first)

    def _up_to(self, place: NDArray[np.int64]) -> NDArray[np.int64]:
        if not len(self.first):
            return np.zeros(np.shape(place), np.int64)
        begun = np.searchsorted(self.first, place, side="right")
        last = np.maximum(begun - 1, 0)
        within = np.clip(place - self.first[last], 0, self.end[last] - self.first[last])
        return np.where(begun > 0, self._before[last] + within, 0)

    def draw(self, first: int, mask: NDArray[np.uint8]) -> None:
        """Draws a mask [sample] that starts at `first` on the axis: 1 where there is a seizure, else 0."""
        self.labels.draw(first, mask)


def _disjoint(first: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.argsort(first, kind="stable")
    first, end = first[order], end[order]
    reached = np.maximum.accumulate(end) if len(end) else end
    starts = np.ones(len(first), bool)
    starts[1:] = first[1:] > reached[:-1]
    ends = np.append(np.flatnonzero(starts)[1:] - 1, len(first) - 1) if len(first) else np.empty(0, np.int64)
    return first[starts], reached[ends]


class Windows:
    """Windows of one length at one stride over the recordings of a store that can be used.

    Attributes:
        recording: int64 [window], number of the recording in the store's columns.
        start: int64 [window], first sample within the recording.
        seizure_samples: int64 [window], how many of its samples are seizure.
        kind: uint8 [window], see `WindowKind`.
        length: samples a window.
        stride: samples from one window's start to the next one's.
    """

    def __init__(self, cache: Cache, window: float, stride: float, limit: int | None = None) -> None:
        self._cache = cache
        self.length = _whole_samples("window", window, cache.sampling_rate)
        self.stride = _whole_samples("stride", stride, cache.sampling_rate)
        samples = np.where(cache.usable, cache.recordings["samples"], 0)
        counts = np.maximum((samples - self.length) // self.stride + 1, 0)
        counts[len(counts) if limit is None else limit :] = 0
        self.recording = np.repeat(np.arange(len(samples)), counts)
        ordinal = np.arange(len(self.recording)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.start = ordinal * self.stride
        first = cache.seizures.offsets[self.recording] + self.start
        self.seizure_samples = cache.seizures.count(first, first + self.length)
        self.kind = np.full(len(self), WindowKind.NONE, np.uint8)
        self.kind[self.seizure_samples > 0] = WindowKind.PARTIAL
        self.kind[self.seizure_samples >= FULL_SHARE * self.length] = WindowKind.FULL

    def __len__(self) -> int:
        return len(self.recording)

    def count(self, kind: WindowKind) -> int:
        """Number of windows of a kind."""
        return int(np.count_nonzero(self.kind == kind))

    def read(
        self,
        indices: Sequence[int] | ArrayLike,
        out: NDArray[Any] | None = None,
        dtype: DTypeLike | str = "float32",
        threads: int | None = None,
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Reads windows and their masks.

        Args:
            indices: numbers of windows, [B]; negative ones count from the end.
            out: [B, channel, T] of that dtype, contiguous, to be filled, or None.
            dtype: float32, float16, bfloat16 (ml_dtypes'), or int16, of which one unit is the store's `step`.
            threads: that read; by default one a processor, at most 8.

        Returns:
            x [B, channel, T], z-scored; y uint8 [B, T], 1 where there is a seizure.

        Raises:
            IndexError: no such window.
            ValueError: `out` does not fit.
            CacheError: a chunk is damaged; the message names recording, shard, chunk and bytes.
            StorageError: the object store cannot be reached.
        """
        numbers = np.asarray(indices, np.int64).reshape(-1)
        wanted = dtype_of(dtype)
        shape = (len(numbers), len(self._cache.channels), self.length)
        x = np.empty(shape, wanted) if out is None else out
        if x.shape != shape or x.dtype != wanted or not x.flags.c_contiguous:
            raise ValueError(f"out: found {x.dtype} {x.shape}, wanted contiguous {wanted.name} {shape}")
        y = np.empty((len(numbers), self.length), np.uint8)
        failed = self.fill(numbers, x, y, threads)
        if failed:
            raise CacheError(self.told(failed[0], numbers))
        return x, y

    def fill(
        self,
        numbers: NDArray[np.int64],
        x: NDArray[Any],
        y: NDArray[np.uint8],
        threads: int | None = None,
        blocks: BlockCache | None = None,
    ) -> list[Unreadable]:
        """Fills arrays with windows and their masks, as `read` does, and tells of what could not be read.

        Args:
            numbers: int64 [B], of windows; negative ones count from the end.
            x: [B, channel, T], contiguous.
            y: [B, T], contiguous.
            threads: that read.
            blocks: of an object store: fetch whole blocks of chunks, and keep them there.

        Returns:
            The chunks that could not be read, with the rows that wanted them; those rows are left unfinished.
        """
        if np.any((numbers < -len(self)) | (numbers >= len(self))):
            raise IndexError(f"window {numbers.min()} to {numbers.max()}: wanted numbers below {len(self)}")
        request = core.ReadRequest(
            first=self.first_samples(numbers),
            x=x,
            labels=self._cache.seizures.labels,
            label_offsets=self._cache.seizures.offsets[self.recording[numbers]] + self.start[numbers],
            y=y,
        )
        return self._cache.reader.read(request, threads or default_threads(), blocks)

    def first_samples(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Samples of `signal` at which windows of those numbers begin, int64 [B]."""
        first: NDArray[np.int64] = self._cache.recordings["first_sample"][self.recording[numbers]] + self.start[numbers]
        return first

    def told(self, failed: Unreadable, numbers: NDArray[np.int64]) -> str:
        """What there is to say of a chunk that could not be read."""
        return self._cache.told(failed, int(self.recording[numbers[failed.window]]))

    @property
    def cache(self) -> Cache:
        """The split they are of."""
        return self._cache


def _whole_samples(name: str, seconds: float, rate: int) -> int:
    samples = round(seconds * rate)
    if not 0 < samples < 2**31:
        raise ValueError(f"{name}: found {seconds} s, wanted at least one sample of 1/{rate} s")
    return samples
