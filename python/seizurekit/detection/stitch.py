"""Runs a detector on a whole recording: overlapping windows, averaged with the largest weight in their middle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

Float32 = npt.NDArray[np.float32]

_BATCH_SAMPLES = 16 * 60 * 256


def seizure_probability(model: torch.nn.Module, signal: Float32, length: int) -> Float32:
    """Seizure probability of each sample of one recording.

    Windows overlap by half, and the last one ends with the recording. In overlaps, the weight of a window grows with
    the distance from its nearer end, because the detector sees nothing beyond the end. A recording shorter than a
    window is padded with zeros, and the output of the padding is dropped.

    Args:
        model: detector, from windows float32 [B, 19, T] to logits [B, T]. It runs in evaluation mode on the device of
            its parameters.
        signal: preprocessed recording, float32 [19, sample].
        length: window length in samples, 1 or more.

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
        batch_starts = starts[first : first + batch]
        windows = np.stack([signal[:, start : start + length] for start in batch_starts])
        for start, probability in zip(batch_starts, _probability(model, windows), strict=True):
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
