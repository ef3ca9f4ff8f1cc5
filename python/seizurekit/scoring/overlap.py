"""Event scores by any overlap: the plainest agreement between annotated and detected seizures.

A reference event is found when any detected event overlaps it, by however little; a detected event that overlaps no
reference event is a false alarm. No tolerance, no merging, no splitting; to touch is not to overlap.
Precision and F1 are as SzCORE has them: a true positive is a *reference* event that was found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DAY = 86400.0


@dataclass(frozen=True)
class Score:
    """Counts over one recording or, added up, over many; the rates are of the pooled counts.

    Attributes:
        tp: reference events that were found.
        fp: detected events that are false alarms.
        fn: reference events that were missed.
        duration: seconds of recording that the counts are of.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    duration: float = 0.0

    def __add__(self, other: Score) -> Score:
        return Score(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.duration + other.duration)

    @property
    def sensitivity(self) -> float:
        """Share of the reference events that were found; NaN without any."""
        return _share(self.tp, self.tp + self.fn)

    @property
    def precision(self) -> float:
        """True positives among true positives and false alarms; NaN without any."""
        return _share(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and precision; NaN where there is neither a reference event nor an alarm."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def fa_per_24h(self) -> float:
        """False alarms in 24 hours of recording; NaN for a recording of no length."""
        return self.fp * DAY / self.duration if self.duration > 0 else float("nan")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def score_by_overlap(reference: npt.ArrayLike, detected: npt.ArrayLike, duration: float) -> Score:
    """Scores the detected events of one recording.

    Args:
        reference: annotated events, [event, 2], start and stop in seconds, in any order.
        detected: likewise.
        duration: length of the recording in seconds.

    Raises:
        ValueError: an array of another shape, or an event that does not stop after its start.
    """
    ref, hyp = _events(reference, "reference"), _events(detected, "detected")
    found = int(np.count_nonzero(_overlapping(ref, hyp)))
    false = int(np.count_nonzero(_overlapping(hyp, ref) == 0))
    return Score(tp=found, fp=false, fn=len(ref) - found, duration=float(duration))


def matched_seconds(reference: npt.ArrayLike, detected: npt.ArrayLike) -> tuple[float, float]:
    """Seconds of the reference events that were found, and of the detected events that overlap any; else as above."""
    ref, hyp = _events(reference, "reference"), _events(detected, "detected")
    found, finding = ref[_overlapping(ref, hyp) > 0], hyp[_overlapping(hyp, ref) > 0]
    return float(np.sum(found[:, 1] - found[:, 0])), float(np.sum(finding[:, 1] - finding[:, 0]))


def _events(events: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    array = np.asarray(events, np.float64)
    if array.size == 0:
        return np.empty((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{name} events: found an array of shape {array.shape}, wanted [event, 2]")
    if not np.all(array[:, 1] > array[:, 0]):
        worst = array[~(array[:, 1] > array[:, 0])][0]
        raise ValueError(f"{name} events: found {worst[0]:g} to {worst[1]:g} s, wanted a stop after the start")
    return array


def _overlapping(these: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """How many of the others each overlaps: those that start before its stop, less those that stop by its start."""
    begun = np.searchsorted(np.sort(others[:, 0]), these[:, 1], side="left")
    ended = np.searchsorted(np.sort(others[:, 1]), these[:, 0], side="right")
    return begun - ended
