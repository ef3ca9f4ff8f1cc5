"""The windows of a split: where they are, how much of each is seizure, and reading them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from seizurekit._core import cache as core
from seizurekit.cache.read.block_cache import BlockCache
from seizurekit.cache.read.signal_reader import ChunkError, default_threads, to_dtype
from seizurekit.cache.split import Split
from seizurekit.errors import CacheError

FULL_THRESHOLD = 0.99
"""Share of seizure samples from which on a window is full."""


class WindowKind(IntEnum):
    """How much of a window is seizure."""

    NONE = 0
    PARTIAL = 1
    FULL = 2


class Windows:
    """Windows of one length at one stride over the usable recordings of a split.

    Args:
        cache: the split.
        window: length, s.
        stride: from the start of a window to the start of the next, s.
        limit: use only the first `limit` recordings; None for all.

    Attributes:
        cache: the split.
        recording: int64 [window], row of the recording in the split's columns.
        start: int64 [window], first sample within the recording.
        seizure_samples: int64 [window], number of seizure samples.
        kind: uint8 [window], see `WindowKind`.
        length: samples of a window.
        stride: samples from the start of a window to the start of the next.
    """

    def __init__(self, cache: Split, window: float, stride: float, limit: int | None = None) -> None:
        self.cache = cache
        self.length = _whole_samples("window", window, cache.sampling_rate)
        self.stride = _whole_samples("stride", stride, cache.sampling_rate)
        samples = np.where(cache.usable, cache.recordings["samples"], 0)
        counts = np.maximum((samples - self.length) // self.stride + 1, 0)
        counts[len(counts) if limit is None else limit :] = 0
        self.recording = np.repeat(np.arange(len(samples)), counts)
        ordinal = np.arange(len(self.recording)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.start = ordinal * self.stride
        first = self._label_offsets()
        self.seizure_samples = cache.seizures.count(first, first + self.length)
        self.kind = np.full(len(self), WindowKind.NONE, np.uint8)
        self.kind[self.seizure_samples > 0] = WindowKind.PARTIAL
        self.kind[self.seizure_samples >= FULL_THRESHOLD * self.length] = WindowKind.FULL

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
            indices: indices of the windows, [B]; negative ones count from the end.
            out: C-contiguous array [B, channel, T] of that dtype that receives the samples, or None for a new one.
            dtype: float32, float16, bfloat16 (of ml_dtypes), or int16 in units of the store's `step`.
            threads: number of threads that read; default: one for each CPU, at most 8.

        Returns:
            x [B, channel, T], z-scored; y uint8 [B, T], 1 in a seizure.

        Raises:
            IndexError: no such window.
            ValueError: `out` has another shape or dtype.
            CacheError: a chunk is damaged; names recording, shard, chunk and bytes.
            StorageError: the object store cannot be reached.
        """
        rows = np.asarray(indices, np.int64).reshape(-1)
        expected = to_dtype(dtype)
        shape = (len(rows), len(self.cache.channels), self.length)
        x = np.empty(shape, expected) if out is None else out
        if x.shape != shape or x.dtype != expected or not x.flags.c_contiguous:
            raise ValueError(f"out is {x.dtype} {x.shape}, expected C-contiguous {expected.name} {shape}")
        y = np.empty((len(rows), self.length), np.uint8)
        errors = self.fill(rows, x, y, threads)
        if errors:
            raise CacheError(self.describe(errors[0], rows))
        return x, y

    def fill(
        self,
        indices: NDArray[np.int64],
        x: NDArray[Any],
        y: NDArray[np.uint8],
        threads: int | None = None,
        blocks: BlockCache | None = None,
    ) -> list[ChunkError]:
        """Reads windows and their masks into arrays, and returns the errors instead of raising them.

        Args:
            indices: int64 [B], indices of the windows; negative ones count from the end.
            x: [B, channel, T], C-contiguous; receives the samples.
            y: uint8 [B, T], C-contiguous; receives the masks.
            threads: number of threads that read.
            blocks: for an object store: fetch whole blocks of chunks and keep them there.

        Returns:
            The chunks that could not be read; the rows of the windows that need them are undefined.
        """
        if np.any((indices < -len(self)) | (indices >= len(self))):
            expected = f"a range within {-len(self)} to {len(self) - 1}"
            raise IndexError(f"indices are {indices.min()} to {indices.max()}, expected {expected}")
        request = core.ReadRequest(
            first=self.first_samples(indices),
            x=x,
            labels=self.cache.seizures.labels,
            label_offsets=self._label_offsets(indices),
            y=y,
        )
        return self.cache.reader.read(request, threads or default_threads(), blocks)

    def first_samples(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The samples of `signal` at which windows start, int64 [B]."""
        first: NDArray[np.int64] = self.cache.recordings["first_sample"][self.recording[indices]] + self.start[indices]
        return first

    def _label_offsets(self, indices: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.int64]:
        """Where windows start on the axis of the split's seizures, int64 [B]."""
        offsets: NDArray[np.int64] = self.cache.seizures.offsets[self.recording[indices]] + self.start[indices]
        return offsets

    def describe(self, error: ChunkError, indices: NDArray[np.int64]) -> str:
        """A message for a chunk that `fill` could not read; `indices` as given to it."""
        return self.cache.describe(error, int(self.recording[indices[error.window]]))


def _whole_samples(name: str, seconds: float, rate: int) -> int:
    samples = round(seconds * rate)
    if not 0 < samples < 2**31:
        raise ValueError(f"{name} is {seconds} s, expected at least one sample of 1/{rate} s")
    return samples
