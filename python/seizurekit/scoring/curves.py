"""Sensitivity against false alarms over all thresholds, and the AUROC of samples; both built up recording by recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seizurekit.config import DetectionConfig
from seizurekit.detection.events import find_runs, smooth
from seizurekit.scoring.overlap import Score, score_by_overlap

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

THRESHOLDS: Float64 = np.round(1.0 / (1.0 + np.exp(-np.linspace(-5.0, 7.0, 61))), 6)
"""Thresholds of the curve, ascending, evenly spaced as logits."""

_BINS = 1 << 16


@dataclass(frozen=True)
class Curve:
    """Pooled event scores at each threshold, and how well samples are told apart.

    Attributes:
        thresholds: ascending, float64 [threshold].
        scores: one a threshold.
        auroc: area under the receiver operating characteristic of the single samples; NaN with samples of one kind only.
    """

    thresholds: Float64
    scores: tuple[Score, ...]
    auroc: float

    def threshold_at(self, fa_per_24h: float) -> float:
        """The threshold of highest sensitivity among those with at most so many false alarms per 24 h.

        Of several the one in the middle is taken, which other recordings move least; where none keeps to the bound, the
        highest threshold.
        """
        kept = [i for i, score in enumerate(self.scores) if score.fa_per_24h <= fa_per_24h]
        if not kept:
            return float(self.thresholds[-1])
        best = max(self.scores[i].tp for i in kept)
        equal = [i for i in kept if self.scores[i].tp == best]
        return float(self.thresholds[equal[len(equal) // 2]])

    def sensitivity_at(self, fa_per_24h: float) -> float:
        """The highest sensitivity with at most so many false alarms per 24 h; 0 where no threshold keeps to the bound.

        NaN without reference events.
        """
        found = [score.sensitivity for score in self.scores if score.fa_per_24h <= fa_per_24h]
        if not found and any(score.tp + score.fn for score in self.scores):
            return 0.0
        return max(found, default=float("nan"))


class CurveBuilder:
    """Adds up what a `Curve` needs, so that no more than one recording is held at a time."""

    def __init__(self, detection: DetectionConfig) -> None:
        self._detection = detection
        self._scores = [Score()] * len(THRESHOLDS)
        self._seizure = np.zeros(_BINS, np.int64)
        self._other = np.zeros(_BINS, np.int64)

    def add(self, probability: Float32, reference: Float64, rate: float) -> None:
        """Adds one recording.

        Args:
            probability: of a seizure at every sample, float32 [sample].
            reference: annotated seizures, start and stop in seconds, float64 [event, 2].
            rate: samples a second.
        """
        duration = len(probability) / rate
        smoothed = smooth(probability, self._detection.smoothing, rate)
        for i, threshold in enumerate(THRESHOLDS):
            events = find_runs(smoothed, threshold, self._detection, rate) / rate
            self._scores[i] += score_by_overlap(reference, events, duration)
        bins = np.minimum((probability * _BINS).astype(np.int64), _BINS - 1)
        inside = np.zeros(len(probability), bool)
        for start, stop in reference:
            inside[int(start * rate) : int(stop * rate)] = True
        self._seizure += np.bincount(bins[inside], minlength=_BINS)
        self._other += np.bincount(bins[~inside], minlength=_BINS)

    def curve(self) -> Curve:
        """The curve over all that was added."""
        return Curve(THRESHOLDS, tuple(self._scores), auroc_of_counts(self._seizure, self._other))


def auroc_of_counts(positive: npt.NDArray[np.int64], negative: npt.NDArray[np.int64]) -> float:
    """Probability that a positive is in a higher bin than a negative, equal ones counting half; NaN if either is absent.

    Args:
        positive: positives in each bin, bins ascending, int64 [bin].
        negative: likewise.
    """
    if positive.sum() == 0 or negative.sum() == 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    wins = float(np.dot(positive.astype(np.float64), below + 0.5 * negative))
    return wins / (float(positive.sum()) * float(negative.sum()))
