"""Event scores by any overlap: the simplest agreement between annotated and detected seizures.

A reference event is found if any detected event overlaps it, however short the overlap. A detected event that overlaps
no reference event is a false alarm. There is no tolerance, merging or splitting; events that touch do not overlap.
Precision and F1 follow SzCORE: a true positive is a *reference* event that was found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DAY = 86400.0


@dataclass(frozen=True)
class Score:
    """Counts of one recording. The sum of scores pools recordings; rates use the pooled counts.

    Attributes:
        tp: number of reference events that were found.
        fp: number of detected events that are false alarms.
        fn: number of reference events that were missed.
        duration: duration of the recordings in seconds.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    duration: float = 0.0

    def __add__(self, other: Score) -> Score:
        return Score(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.duration + other.duration)

    @property
    def sensitivity(self) -> float:
        """Share of the reference events that were found; NaN without reference events."""
        return _share(self.tp, self.tp + self.fn)

    @property
    def precision(self) -> float:
        """Share of true positives in true positives and false alarms; NaN without either."""
        return _share(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and precision; NaN without reference and detected events."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def fa_per_24h(self) -> float:
        """False alarms per 24 hours of recording; NaN if the duration is 0."""
        return self.fp * DAY / self.duration if self.duration > 0 else float("nan")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def score_by_overlap(reference: npt.ArrayLike, detected: npt.ArrayLike, duration: float) -> Score:
    """Scores the detected events of one recording.

    Args:
        reference: start and stop of the annotated events in seconds, [event, 2], in any order.
        detected: start and stop of the detected events in seconds, [event, 2], in any order.
        duration: duration of the recording in seconds.

    Raises:
        ValueError: an array has another shape, or an event does not stop after its start.
    """
    ref, hyp = _as_events(reference, "reference"), _as_events(detected, "detected")
    found = int(np.count_nonzero(_count_overlaps(ref, hyp)))
    false_alarms = int(np.count_nonzero(_count_overlaps(hyp, ref) == 0))
    return Score(tp=found, fp=false_alarms, fn=len(ref) - found, duration=float(duration))


def matched_seconds(reference: npt.ArrayLike, detected: npt.ArrayLike) -> tuple[float, float]:
    """Seconds of the reference events that overlap a detected event, and of the detected events that overlap one.

    Arguments and errors are those of `score_by_overlap`.
    """
    ref, hyp = _as_events(reference, "reference"), _as_events(detected, "detected")
    matched_ref, matched_hyp = ref[_count_overlaps(ref, hyp) > 0], hyp[_count_overlaps(hyp, ref) > 0]
    return float(np.sum(matched_ref[:, 1] - matched_ref[:, 0])), float(np.sum(matched_hyp[:, 1] - matched_hyp[:, 0]))


def _as_events(events: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    array = np.asarray(events, np.float64)
    if array.size == 0:
        return np.empty((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"shape of {name} events is {array.shape}, expected (events, 2)")
    if not np.all(array[:, 1] > array[:, 0]):
        start, stop = array[~(array[:, 1] > array[:, 0])][0]
        raise ValueError(f"{name} event is {start:g} to {stop:g} s, expected a stop after the start")
    return array


def _count_overlaps(events: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Number of others that each event overlaps, int64 [event]."""
    started_before_stop = np.searchsorted(np.sort(others[:, 0]), events[:, 1], side="left")
    stopped_by_start = np.searchsorted(np.sort(others[:, 1]), events[:, 0], side="right")
    return started_before_stop - stopped_by_start
