"""Sensitivity against false alarms over all thresholds, and the AUROC of samples, built up recording by recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seizurekit.config import DetectionConfig
from seizurekit.detection.events import find_runs, in_steps, smooth
from seizurekit.scoring.overlap import Score, matched_seconds, score_by_overlap

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

THRESHOLDS: Float64 = np.round(1.0 / (1.0 + np.exp(-np.linspace(-5.0, 7.0, 61))), 6)
"""Thresholds of the curve, ascending, evenly spaced as logits."""

MAX_MATCH_RATIO = 2.0
"""How many times as long as the seizures they find detected events may be; see `Curve.usable`."""

_BINS = 1 << 16


@dataclass(frozen=True)
class Curve:
    """Pooled event scores at each threshold, and how well samples are told apart.

    Attributes:
        thresholds: ascending, float64 [threshold].
        scores: one a threshold.
        usable: whether a threshold is fit for use, bool [threshold]. Where the detected events last more than
            `MAX_MATCH_RATIO` times as long as the seizures that they overlap, it is not: by any overlap alone an alarm
            that never ends would be a perfect detector.
        auroc: area under the receiver operating characteristic of single samples; NaN with samples of one kind only.
    """

    thresholds: Float64
    scores: tuple[Score, ...]
    usable: npt.NDArray[np.bool_]
    auroc: float

    def threshold_at(self, fa_per_24h: float) -> float:
        """The usable threshold of highest sensitivity among those with at most so many false alarms per 24 h.

        Of several the one in the middle is taken, which other recordings move least; where none keeps to the bound, the
        highest threshold.
        """
        kept = self._within(fa_per_24h)
        if not kept:
            return float(self.thresholds[-1])
        best = max(self.scores[i].tp for i in kept)
        equal = [i for i in kept if self.scores[i].tp == best]
        return float(self.thresholds[equal[len(equal) // 2]])

    def sensitivity_at(self, fa_per_24h: float) -> float:
        """The highest sensitivity of a usable threshold with at most so many false alarms per 24 h; 0 without one.

        NaN without reference events.
        """
        if not any(score.tp + score.fn for score in self.scores):
            return float("nan")
        return max((self.scores[i].sensitivity for i in self._within(fa_per_24h)), default=0.0)

    def _within(self, fa_per_24h: float) -> list[int]:
        return [int(i) for i in np.flatnonzero(self.usable) if self.scores[i].fa_per_24h <= fa_per_24h]


class CurveBuilder:
    """Adds up what a `Curve` needs, so that no more than one recording is held at a time."""

    def __init__(self, detection: DetectionConfig) -> None:
        self._detection = detection
        self._counts = np.zeros((len(THRESHOLDS), 3), np.int64)
        self._matched = np.zeros((len(THRESHOLDS), 2))
        self._duration = 0.0
        self._samples = np.zeros((2, _BINS), np.int64)
        self._undefined = 0

    def add(self, probability: Float32, reference: Float64, rate: float) -> None:
        """Adds one recording.

        Args:
            probability: of a seizure at every sample, float32 [sample]; NaN reaches no threshold, and makes the AUROC
                NaN.
            reference: annotated seizures, start and stop in seconds, float64 [event, 2].
            rate: samples a second.
        """
        duration = len(probability) / rate
        smoothed = smooth(probability, self._detection.smoothing, rate)
        steps, edges = in_steps(smoothed, THRESHOLDS, self._detection)
        for i, threshold in enumerate(THRESHOLDS):
            events = find_runs(steps, threshold, self._detection, rate, edges) / rate
            score = score_by_overlap(reference, events, duration)
            self._counts[i] += (score.tp, score.fp, score.fn)
            self._matched[i] += matched_seconds(reference, events)
        self._duration += duration
        defined = ~np.isnan(probability)
        bins = np.minimum((probability[defined] * _BINS).astype(np.int64), _BINS - 1)
        inside = np.zeros(len(probability), bool)
        for start, stop in reference:
            inside[int(start * rate) : int(stop * rate)] = True
        for row, wanted in zip(self._samples, (inside[defined], ~inside[defined]), strict=True):
            row += np.bincount(bins[wanted], minlength=_BINS)
        self._undefined += len(probability) - len(bins)

    def sums(self) -> Float64:
        """All that was added so far, as one array, float64 [number].

        Arrays of several builders can be added: `from_sums` makes of them a builder with all recordings.
        Counts stay exact below 2**53, which is a million years of samples.
        """
        scalars = np.array([self._duration, self._undefined])
        return np.concatenate([scalars, *(part.ravel() for part in (self._counts, self._matched, self._samples))])

    @classmethod
    def from_sums(cls, detection: DetectionConfig, sums: Float64) -> CurveBuilder:
        """A builder to which everything was added that such sums are of.

        Raises:
            ValueError: another number of sums.
        """
        made = cls(detection)
        wanted = made.sums().shape
        if sums.shape != wanted:
            raise ValueError(f"sums: found shape {sums.shape}, wanted {wanted}")
        made._duration, made._undefined = float(sums[0]), round(sums[1])
        at = 2
        for part in (made._counts, made._matched, made._samples):
            part[...] = sums[at : at + part.size].reshape(part.shape)
            at += part.size
        return made

    def curve(self) -> Curve:
        """The curve over all that was added."""
        found, finding = self._matched.T
        scores = tuple(Score(tp, fp, fn, self._duration) for tp, fp, fn in self._counts.tolist())
        auroc = float("nan") if self._undefined else auroc_of_counts(*self._samples)
        return Curve(THRESHOLDS, scores, finding <= MAX_MATCH_RATIO * found, auroc)


def auroc_of_counts(positive: npt.NDArray[np.int64], negative: npt.NDArray[np.int64]) -> float:
    """Probability that a positive is in a higher bin than a negative, equal ones counting half; NaN without either.

    Args:
        positive: positives in each bin, bins ascending, int64 [bin].
        negative: likewise.
    """
    if positive.sum() == 0 or negative.sum() == 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    wins = float(np.dot(positive.astype(np.float64), below + 0.5 * negative))
    return wins / (float(positive.sum()) * float(negative.sum()))
