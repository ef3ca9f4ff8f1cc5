"""Noise with the spectrum of EEG."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

Noise = Callable[[Fraction | int, float], NDArray[np.float32]]


@pytest.fixture(scope="session")
def noise() -> Noise:
    """Function that returns 1/f noise from 0.3 to 95 Hz, 30 µV, with an offset per channel, float32 [19, sample]."""

    @cache
    def make(rate: Fraction | int, seconds: float) -> NDArray[np.float32]:
        random = np.random.default_rng(0)
        samples = int(seconds * rate)
        frequency = np.fft.rfftfreq(samples, float(1 / Fraction(rate)))
        spectrum = random.normal(size=(19, len(frequency))) + 1j * random.normal(size=(19, len(frequency)))
        spectrum /= np.maximum(frequency, 0.3)
        spectrum[:, frequency > 95] = 0
        x = np.fft.irfft(spectrum, samples)
        return (x * (30 / x.std()) + random.uniform(-200, 200, (19, 1))).astype(np.float32)

    return lambda rate, seconds: make(rate, seconds).copy()
