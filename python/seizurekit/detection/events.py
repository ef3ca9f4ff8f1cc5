"""From seizure probabilities to events: smoothing, hysteresis, merging and minimum duration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seizurekit.config import DetectionConfig
from seizurekit.recordings.annotations import Event

Float32 = npt.NDArray[np.float32]


def detect_events(probability: Float32, rate: float, threshold: float, detection: DetectionConfig) -> tuple[Event, ...]:
    """Detects the seizures in one recording.

    Args:
        probability: seizure probability of each sample, float32 [sample].
        rate: sampling rate in Hz.
        threshold: smoothed probability that an event must reach.
        detection: smoothing and event parameters.

    Returns:
        Events with label ``seiz``, sorted by time. The confidence is the highest smoothed probability in the event.
    """
    smoothed = smooth(probability, detection.smoothing, rate)
    return tuple(
        Event(float(first / rate), float(last / rate), "seiz", confidence=float(smoothed[first:last].max()))
        for first, last in find_runs(smoothed, threshold, detection, rate)
    )


def smooth(probability: Float32, seconds: float, rate: float) -> Float32:
    """Moving average over `seconds` around each sample, over fewer samples at the ends; float32 [sample]."""
    half = int(seconds * rate) // 2
    if half == 0 or len(probability) == 0:
        return probability
    summed = np.concatenate(([0.0], np.cumsum(probability, dtype=np.float64)))
    samples = len(probability)
    half = min(half, samples)
    to_last = np.concatenate((summed[half + 1 :], np.full(half, summed[-1])))
    to_last[half:] -= summed[: samples - half]  # the sums of the first `half` samples start at the first sample
    at = np.arange(samples)
    count = np.minimum(at + half + 1, samples) - np.maximum(at - half, 0)
    mean: Float32 = (to_last / count).astype(np.float32)
    return mean


def find_runs(
    smoothed: Float32,
    threshold: float,
    detection: DetectionConfig,
    rate: float,
    edges: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """First sample and first sample after each event, int64 [event, 2].

    An event is a run at or above ``hysteresis * threshold`` that reaches the threshold at some sample. Events closer
    than ``merge_gap`` are merged, then events shorter than ``min_duration`` are dropped.

    Args:
        smoothed: smoothed probability, float32 [sample], or float32 [step] with `edges`.
        threshold: probability that an event must reach.
        detection: event parameters.
        rate: sampling rate in Hz.
        edges: first sample of each step and the end, if the probability comes from `to_steps`.
    """
    runs = _runs(smoothed >= np.float32(detection.hysteresis * threshold))
    reached = np.flatnonzero(smoothed >= np.float32(threshold))
    runs = runs[np.searchsorted(reached, runs[:, 1]) > np.searchsorted(reached, runs[:, 0])]
    runs = runs if edges is None else edges[runs]
    if len(runs) > 1:
        apart = runs[1:, 0] - runs[:-1, 1] >= detection.merge_gap * rate
        starts = runs[np.concatenate(([True], apart)), 0]
        stops = runs[np.concatenate((apart, [True])), 1]
        runs = np.stack((starts, stops), axis=1)
    return runs[runs[:, 1] - runs[:, 0] >= detection.min_duration * rate]


def to_steps(
    smoothed: Float32, thresholds: npt.NDArray[np.float64], detection: DetectionConfig
) -> tuple[Float32, npt.NDArray[np.int64]]:
    """Compresses a probability to the fewest steps with which `find_runs` gives the same events at each threshold.

    Returns:
        Value of each step, float32 [step], -1 if it is NaN or below all thresholds; and the first sample of each step
        and the end, int64 [step + 1].
    """
    cuts = np.unique(np.concatenate([thresholds, detection.hysteresis * thresholds]).astype(np.float32))
    level = np.searchsorted(cuts, smoothed, side="right")
    level[np.isnan(smoothed)] = 0  # searchsorted puts NaN above all cuts
    starts = np.flatnonzero(np.concatenate(([True], level[1:] != level[:-1]))[: len(level)])
    values = np.append(np.float32(-1.0), cuts)
    return values[level[starts]], np.append(starts, len(level))


def _runs(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """First sample and first sample after each run of True, int64 [run, 2]."""
    if len(mask) == 0:
        return np.empty((0, 2), np.int64)
    changes = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    edges = np.concatenate(([0] * bool(mask[0]), changes, [len(mask)] * bool(mask[-1])))
    return edges.reshape(-1, 2).astype(np.int64)
