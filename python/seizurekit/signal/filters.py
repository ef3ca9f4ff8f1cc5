"""Designs the filters and the resampler of a chain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seizurekit.errors import ChannelError
from seizurekit.signal.chain import Chain

MIN_RATE, MAX_RATE = 100, 5000
"""Range of sampling rates that can be resampled, in Hz."""

PASSBAND_EDGE = 100.0
"""Hz. The resampler is flat up to here, or up to 0.96 of the lower Nyquist frequency if that is less."""

ATTENUATION = 70.0
"""Attenuation of images and aliases in dB; 60 are promised."""

MAX_PHASES = 2048

MAX_DENOMINATOR = 10**8
"""Limit for the rounded ratio of the rates: small enough that a sample index times a factor fits into 64 bits, large
enough that the length of a day changes by less than a sample."""


@dataclass(frozen=True)
class PolyphaseFilter:
    """A rational resampler: output sample m is a weighted sum of the input samples around position m * down / up.

    Attributes:
        up: factor that multiplies the rate.
        down: factor that divides the rate.
        phases: number of sub-sample positions with weights: `up`, or fewer, with interpolation between them.
        table: weights, float32 [phases, taps], or [phases + 1, taps] if they are interpolated.
    """

    up: int
    down: int
    phases: int
    table: NDArray[np.float32]


def design_filters(chain: Chain) -> NDArray[np.float64]:
    """Band-pass and notch as second-order sections for `scipy.signal.sosfilt`, float64 [section, 6]."""
    from scipy import signal

    band = signal.butter(chain.order, chain.band, "bandpass", fs=chain.sampling_rate, output="sos")
    notch = signal.tf2sos(*signal.iirnotch(chain.notch, chain.notch_quality, fs=chain.sampling_rate))
    return np.concatenate([band, notch])


@lru_cache(maxsize=64)
def design_resampler(rate: Fraction, sampling_rate: int) -> PolyphaseFilter:
    """Resampler from `rate` to `sampling_rate`: a Kaiser-windowed sinc with linear phase and no delay.

    It is flat up to `PASSBAND_EDGE` and attenuates by `ATTENUATION` from the Nyquist frequency of the lower rate.

    Raises:
        ChannelError: the rate is not in the range of 100 to 5000 Hz.
    """
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ChannelError(f"sampling rate is {float(rate):g} Hz, expected {MIN_RATE} to {MAX_RATE} Hz")
    factor = (Fraction(sampling_rate) / rate).limit_denominator(MAX_DENOMINATOR)
    up, down = factor.numerator, factor.denominator
    if up == down:
        return PolyphaseFilter(1, 1, 1, np.empty((0, 0), np.float32))
    phases = min(up, MAX_PHASES)
    table = _windowed_sinc(float(rate), min(float(rate), sampling_rate) / 2, phases, interpolated=phases < up)
    return PolyphaseFilter(up, down, phases, table)


def _windowed_sinc(rate: float, stop: float, phases: int, *, interpolated: bool) -> NDArray[np.float32]:
    from scipy import signal

    edge = min(PASSBAND_EDGE, 0.96 * stop)
    count, beta = signal.kaiserord(ATTENUATION, 2 * (stop - edge) / rate)
    taps = 4 * math.ceil(count / 4)
    cutoff = (edge + stop) / rate  # middle of the transition band, relative to the Nyquist frequency of the input
    # Row p, column k: weight of input sample k for the output at position taps / 2 - 1 + fractions[p].
    fractions = np.arange(phases + 1 if interpolated else phases) / phases
    distance = np.arange(taps) - (taps // 2 - 1) - fractions[:, None]
    inside = np.clip(1 - (distance / (taps / 2)) ** 2, 0, None)
    weights = cutoff * np.sinc(cutoff * distance) * np.i0(beta * np.sqrt(inside)) / np.i0(beta)
    return np.ascontiguousarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
