"""The chain in SciPy and float64, for tests: the same function as the C++, written to be read."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from seizurekit.recordings.channels import CANONICAL_CHANNELS, select_channels
from seizurekit.signal.chain import Chain
from seizurekit.signal.interpolation import spline_weights


def reference_chain(x: NDArray[np.float64], rate: Fraction, labels: list[str], chain: Chain) -> NDArray[np.float64]:
    """Interpolated, resampled by FFT, filtered, z-scored, clipped.

    Args:
        x: [channel, sample], µV.
        rate: Hz.
        labels: of the channels.
        chain: what to do.

    Returns:
        float64 [channel, sample].
    """
    from scipy import signal

    selection = select_channels(labels)
    named = {
        name: x[position]
        for name, position in zip(CANONICAL_CHANNELS, selection.positions, strict=True)
        if position is not None
    }
    if selection.interpolated:
        present = tuple(named)
        weights = spline_weights(selection.interpolated, present)
        made = weights @ np.stack([named[name] for name in present])
        named.update(zip(selection.interpolated, made, strict=True))
    y = np.stack([named[name] for name in chain.channels])
    if rate != chain.sampling_rate:
        y = signal.resample(y, int(y.shape[1] * chain.sampling_rate / rate), axis=1)
    y = signal.lfilter(*signal.butter(chain.order, chain.band, "bandpass", fs=chain.sampling_rate), y)
    y = signal.lfilter(*signal.iirnotch(chain.notch, chain.notch_quality, fs=chain.sampling_rate), y)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = (y - y.mean(axis=1, keepdims=True)) / y.std(axis=1, keepdims=True)
    y = np.clip(y, -chain.clip, chain.clip)
    return np.where(np.isfinite(y), y, 0.0)
