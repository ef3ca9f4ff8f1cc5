"""The seizures of a split, in samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seizurekit._core import cache as core


class Seizures:
    """A split's seizures as disjoint intervals of samples on one axis, on which the recordings follow each other.

    An event from `start` to `stop` seconds covers the samples from ``int(start * rate)`` to ``int(stop * rate)``.

    Args:
        samples: int64 [recording], samples of each recording.
        recording: int64 [event], the recording of each event.
        start: float64 [event], s.
        stop: float64 [event], s.
        rate: Hz.

    Attributes:
        offsets: int64 [recording + 1], where each recording starts on the axis.
        first: int64 [interval], first sample of each interval.
        end: int64 [interval], the sample after its last.
        labels: the intervals for the core.
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
        limit = samples[recording]
        first = np.clip((start * rate).astype(np.int64), 0, limit) + self.offsets[recording]
        end = np.clip((stop * rate).astype(np.int64), 0, limit) + self.offsets[recording]
        self.first, self.end = _merge(first[end > first], end[end > first])
        self._before = np.concatenate([[0], np.cumsum(self.end - self.first)])
        self.labels = core.Labels(self.first, self.end)

    def count(self, first: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of seizure samples in each interval [first, end) of the axis."""
        return self._count_before(end) - self._count_before(first)

    def _count_before(self, position: NDArray[np.int64]) -> NDArray[np.int64]:
        if not len(self.first):
            return np.zeros(np.shape(position), np.int64)
        begun = np.searchsorted(self.first, position, side="right")
        last = np.maximum(begun - 1, 0)
        within = np.clip(position - self.first[last], 0, self.end[last] - self.first[last])
        return np.where(begun > 0, self._before[last] + within, 0)

    def draw(self, first: int, mask: NDArray[np.uint8]) -> None:
        """Fills a mask [sample] that starts at `first` on the axis: 1 in a seizure, else 0."""
        self.labels.draw(first, mask)


def _merge(first: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The intervals in order, with those that overlap or touch joined."""
    order = np.argsort(first, kind="stable")
    first, end = first[order], end[order]
    reached = np.maximum.accumulate(end) if len(end) else end
    starts = np.ones(len(first), bool)
    starts[1:] = first[1:] > reached[:-1]
    ends = np.append(np.flatnonzero(starts)[1:] - 1, len(first) - 1) if len(first) else np.empty(0, np.int64)
    return first[starts], reached[ends]
