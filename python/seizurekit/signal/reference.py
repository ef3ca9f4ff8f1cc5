"""Reference of the chain in SciPy and float64, for tests of the C++ implementation."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from seizurekit.recordings.channels import CANONICAL_CHANNELS, select_channels
from seizurekit.signal.chain import Chain
from seizurekit.signal.interpolation import spline_weights


def reference_chain(x: NDArray[np.float64], rate: Fraction, labels: list[str], chain: Chain) -> NDArray[np.float64]:
    """Interpolates, resamples by FFT, filters, z-scores and clips samples in memory.

    Args:
        x: samples in µV, float64 [channel, sample].
        rate: sampling rate in Hz.
        labels: label of each channel.
        chain: parameters of the chain.

    Returns:
        float64 [channel, sample].
    """
    from scipy import signal

    selection = select_channels(labels)
    by_name = {
        name: x[index] for name, index in zip(CANONICAL_CHANNELS, selection.indices, strict=True) if index is not None
    }
    if selection.interpolated:
        present = tuple(by_name)
        weights = spline_weights(selection.interpolated, present)
        interpolated = weights @ np.stack([by_name[name] for name in present])
        by_name.update(zip(selection.interpolated, interpolated, strict=True))
    y = np.stack([by_name[name] for name in chain.channels])
    if rate != chain.sampling_rate:
        y = signal.resample(y, int(y.shape[1] * chain.sampling_rate / rate), axis=1)
    y = signal.lfilter(*signal.butter(chain.order, chain.band, "bandpass", fs=chain.sampling_rate), y)
    y = signal.lfilter(*signal.iirnotch(chain.notch, chain.notch_quality, fs=chain.sampling_rate), y)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = (y - y.mean(axis=1, keepdims=True)) / y.std(axis=1, keepdims=True)
    y = np.clip(y, -chain.clip, chain.clip)
    return np.where(np.isfinite(y), y, 0.0)
