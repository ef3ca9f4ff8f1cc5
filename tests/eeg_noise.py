"""Noise with the spectrum of EEG."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray


def noise(rate: Fraction | int, seconds: float) -> NDArray[np.float32]:
    """1/f noise from 0.3 to 95 Hz, 30 µV, with an offset per channel, float32 [19, sample]."""
    return _noise(rate, seconds).copy()


@cache
def _noise(rate: Fraction | int, seconds: float) -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    samples = int(seconds * rate)
    frequency = np.fft.rfftfreq(samples, float(1 / Fraction(rate)))
    spectrum = random.normal(size=(19, len(frequency))) + 1j * random.normal(size=(19, len(frequency)))
    spectrum /= np.maximum(frequency, 0.3)
    spectrum[:, frequency > 95] = 0
    x = np.fft.irfft(spectrum, samples)
    scaled: NDArray[np.float64] = x * (30 / x.std()) + random.uniform(-200, 200, (19, 1))
    return scaled.astype(np.float32)
