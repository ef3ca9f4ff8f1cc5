"""From the probability of a seizure at every sample to events: smoothing, hysteresis, merging, shortest duration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seizurekit.config import DetectionConfig
from seizurekit.recordings.annotations import Event

Float32 = npt.NDArray[np.float32]


def detect_events(probability: Float32, rate: float, threshold: float, detection: DetectionConfig) -> tuple[Event, ...]:
    """Seizures in one recording.

    Args:
        probability: of a seizure at every sample, float32 [sample].
        rate: samples a second.
        threshold: what the smoothed probability must reach for an event.
        detection: how probabilities become events.

    Returns:
        Events in order of time with label ``seiz``; the confidence is the highest smoothed probability in the event.
    """
    smoothed = smooth(probability, detection.smoothing, rate)
    return tuple(
        Event(float(first / rate), float(last / rate), "seiz", confidence=float(smoothed[first:last].max()))
        for first, last in find_runs(smoothed, threshold, detection, rate)
    )


def smooth(probability: Float32, seconds: float, rate: float) -> Float32:
    """Mean over `seconds` around each sample, over what there is of them at the ends; float32 [sample]."""
    half = int(seconds * rate) // 2
    if half == 0 or len(probability) == 0:
        return probability
    summed = np.concatenate(([0.0], np.cumsum(probability, dtype=np.float64)))
    samples = len(probability)
    half = min(half, samples)
    to_last = np.concatenate((summed[half + 1 :], np.full(half, summed[-1])))
    to_last[half:] -= summed[: samples - half]  # of the first `half` samples it is the sum from the beginning
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
    """First sample and the one after the last of each event, int64 [event, 2].

    An event is a run at or above ``hysteresis * threshold`` that somewhere reaches the threshold. Events closer than
    ``merge_gap`` are united, then those shorter than ``min_duration`` are dropped.

    Args:
        smoothed: probability, float32 [sample], or [step] with `edges`.
        threshold: that an event reaches.
        detection: how probabilities become events.
        rate: samples a second.
        edges: where the probability is one of `in_steps`: first sample of each step, and the end.
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


def in_steps(
    smoothed: Float32, thresholds: npt.NDArray[np.float64], detection: DetectionConfig
) -> tuple[Float32, npt.NDArray[np.int64]]:
    """A probability in as few steps as give the same events at each of those thresholds, see `find_runs`.

    Returns:
        float32 [step], -1 where it is below all of them or NaN; and the first sample of each step and the end, int64
        [step + 1].
    """
    cuts = np.unique(np.concatenate([thresholds, detection.hysteresis * thresholds]).astype(np.float32))
    level = np.searchsorted(cuts, smoothed, side="right")
    level[np.isnan(smoothed)] = 0  # to the search NaN is above all
    starts = np.flatnonzero(np.concatenate(([True], level[1:] != level[:-1]))[: len(level)])
    below = np.append(np.float32(-1.0), cuts)
    return below[level[starts]], np.append(starts, len(level))


def _runs(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    if len(mask) == 0:
        return np.empty((0, 2), np.int64)
    changes = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    edges = np.concatenate(([0] * bool(mask[0]), changes, [len(mask)] * bool(mask[-1])))
    return edges.reshape(-1, 2).astype(np.int64)
