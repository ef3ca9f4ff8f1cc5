"""Sensitivity against false alarms over all thresholds, and AUROC of samples, accumulated over recordings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seizurekit.config import DetectionConfig
from seizurekit.detection.events import find_runs, smooth, to_steps
from seizurekit.scoring.overlap import Score, matched_seconds, score_by_overlap

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

THRESHOLDS: Float64 = np.round(1.0 / (1.0 + np.exp(-np.linspace(-5.0, 7.0, 61))), 6)
"""Thresholds of the curve, ascending, evenly spaced as logits."""

MAX_MATCH_RATIO = 2.0
"""Largest ratio of the duration of detected events to that of the seizures they overlap; see `Curve.usable`."""

_BINS = 1 << 16


@dataclass(frozen=True)
class Curve:
    """Pooled event scores at each threshold, and the AUROC of samples.

    Attributes:
        thresholds: ascending thresholds, float64 [threshold].
        scores: one score per threshold.
        usable: False for thresholds at which detected events last more than `MAX_MATCH_RATIO` times as long as the
            seizures that they overlap, bool [threshold]. Any-overlap scoring alone would call an alarm that never
            ends a perfect detector.
        auroc: area under the receiver operating characteristic of samples; NaN if all samples are of one class.
    """

    thresholds: Float64
    scores: tuple[Score, ...]
    usable: npt.NDArray[np.bool_]
    auroc: float

    def threshold_at(self, fa_per_24h: float) -> float:
        """Usable threshold with the highest sensitivity and at most `fa_per_24h` false alarms per 24 h.

        Of several best thresholds it is the middle one, which changes least with other recordings. If no threshold
        keeps to the limit, it is the highest threshold.
        """
        allowed = self._within(fa_per_24h)
        if not allowed:
            return float(self.thresholds[-1])
        max_found = max(self.scores[i].tp for i in allowed)
        best = [i for i in allowed if self.scores[i].tp == max_found]
        return float(self.thresholds[best[len(best) // 2]])

    def sensitivity_at(self, fa_per_24h: float) -> float:
        """Highest sensitivity of a usable threshold with at most `fa_per_24h` false alarms per 24 h.

        It is 0 if no threshold keeps to the limit, and NaN without reference events.
        """
        if not any(score.tp + score.fn for score in self.scores):
            return float("nan")
        return max((self.scores[i].sensitivity for i in self._within(fa_per_24h)), default=0.0)

    def _within(self, fa_per_24h: float) -> list[int]:
        return [int(i) for i in np.flatnonzero(self.usable) if self.scores[i].fa_per_24h <= fa_per_24h]


class CurveBuilder:
    """Accumulates a `Curve` with only one recording in memory at a time."""

    def __init__(self, detection: DetectionConfig) -> None:
        self._detection = detection
        self._counts = np.zeros((len(THRESHOLDS), 3), np.int64)
        self._matched = np.zeros((len(THRESHOLDS), 2))
        self._duration = 0.0
        self._samples = np.zeros((2, _BINS), np.int64)
        self._nan_samples = 0

    def add(self, probability: Float32, reference: Float64, rate: float) -> None:
        """Adds one recording.

        Args:
            probability: seizure probability of each sample, float32 [sample]. NaN is below all thresholds and makes the
                AUROC NaN.
            reference: start and stop of the annotated seizures in seconds, float64 [event, 2].
            rate: sampling rate in Hz.
        """
        duration = len(probability) / rate
        smoothed = smooth(probability, self._detection.smoothing, rate)
        steps, edges = to_steps(smoothed, THRESHOLDS, self._detection)
        for i, threshold in enumerate(THRESHOLDS):
            events = find_runs(steps, threshold, self._detection, rate, edges) / rate
            score = score_by_overlap(reference, events, duration)
            self._counts[i] += (score.tp, score.fp, score.fn)
            self._matched[i] += matched_seconds(reference, events)
        self._duration += duration
        self._add_samples(probability, reference, rate)

    def _add_samples(self, probability: Float32, reference: Float64, rate: float) -> None:
        in_seizure = np.zeros(len(probability), bool)
        for start, stop in reference:
            in_seizure[int(start * rate) : int(stop * rate)] = True
        is_number = ~np.isnan(probability)
        bins = np.minimum((probability[is_number] * _BINS).astype(np.int64), _BINS - 1)
        in_seizure = in_seizure[is_number]
        self._samples += [np.bincount(bins[of_class], minlength=_BINS) for of_class in (in_seizure, ~in_seizure)]
        self._nan_samples += len(probability) - len(bins)

    def sums(self) -> Float64:
        """State of the builder as one array, float64 [value].

        The sum of the arrays of several builders gives a builder with all their recordings, see `from_sums`. Counts are
        exact below 2**53, which is a million years of samples.
        """
        scalars = np.array([self._duration, self._nan_samples])
        return np.concatenate([scalars, *(part.ravel() for part in (self._counts, self._matched, self._samples))])

    @classmethod
    def from_sums(cls, detection: DetectionConfig, sums: Float64) -> CurveBuilder:
        """Builder with the state that `sums` returned.

        Raises:
            ValueError: `sums` has another shape.
        """
        builder = cls(detection)
        expected = builder.sums().shape
        if sums.shape != expected:
            raise ValueError(f"shape of sums is {sums.shape}, expected {expected}")
        builder._duration, builder._nan_samples = float(sums[0]), round(sums[1])
        start = 2
        for part in (builder._counts, builder._matched, builder._samples):
            part[...] = sums[start : start + part.size].reshape(part.shape)
            start += part.size
        return builder

    def curve(self) -> Curve:
        """Curve over all recordings added so far."""
        reference_seconds, detected_seconds = self._matched.T
        usable = detected_seconds <= MAX_MATCH_RATIO * reference_seconds
        scores = tuple(Score(tp, fp, fn, self._duration) for tp, fp, fn in self._counts.tolist())
        auroc = float("nan") if self._nan_samples else auroc_from_counts(*self._samples)
        return Curve(THRESHOLDS, scores, usable, auroc)


def auroc_from_counts(positive: npt.NDArray[np.int64], negative: npt.NDArray[np.int64]) -> float:
    """Probability that a positive is in a higher bin than a negative; the same bin counts half.

    It is NaN without positives or without negatives.

    Args:
        positive: number of positives in each bin, bins ascending, int64 [bin].
        negative: number of negatives in each bin, int64 [bin].
    """
    if positive.sum() == 0 or negative.sum() == 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    wins = float(np.dot(positive.astype(np.float64), below + 0.5 * negative))
    return wins / (float(positive.sum()) * float(negative.sum()))
