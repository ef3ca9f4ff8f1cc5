"""A whole recording through a detector: overlapping windows, averaged where they overlap, middles counting most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

Float32 = npt.NDArray[np.float32]

_BATCH_SAMPLES = 16 * 60 * 256


def seizure_probability(model: torch.nn.Module, signal: Float32, length: int) -> Float32:
    """Probability of a seizure at every sample of one recording.

    Windows overlap by half; the last one ends with the recording, so that its tail is seen like the rest. Where windows
    overlap, each weighs in proportion to the distance from its nearer end, beyond which it saw nothing. A recording
    shorter than a window is filled up with zeros, whose output is left out.

    Args:
        model: windows float32 [B, 19, T] to logits [B, T]; it is run in evaluation mode where its parameters are.
        signal: the preprocessed recording, float32 [19, sample].
        length: samples of a window, 1 or more.

    Returns:
        float32 [sample].
    """
    samples = signal.shape[1]
    if samples < length:
        signal = np.pad(signal, ((0, 0), (0, length - samples)))
    starts = _window_starts(signal.shape[1], length)
    at = np.arange(length, dtype=np.float32)
    weight = np.minimum(at + 1.0, length - at) / length
    total = np.zeros(signal.shape[1], np.float32)
    weights = np.zeros(signal.shape[1], np.float32)
    batch = max(_BATCH_SAMPLES // length, 1)
    for first in range(0, len(starts), batch):
        some = starts[first : first + batch]
        windows = np.stack([signal[:, start : start + length] for start in some])
        for start, probability in zip(some, _probability(model, windows), strict=True):
            total[start : start + length] += weight * probability
            weights[start : start + length] += weight
    stitched: Float32 = np.clip(total / weights, 0.0, 1.0)[:samples]
    return stitched


def _window_starts(samples: int, length: int) -> list[int]:
    last = samples - length
    return [*range(0, last, max(length // 2, 1)), last]


def _probability(model: torch.nn.Module, windows: Float32) -> Float32:
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        probability: Float32 = torch.sigmoid(model(torch.from_numpy(windows).to(device)).float()).cpu().numpy()
    model.train(was_training)
    return probability
