"""Coefficients of the chain's filters and of its resampler, from SciPy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seizurekit.errors import ChannelError
from seizurekit.signal.chain import Chain

LOWEST_RATE, HIGHEST_RATE = 100, 5000
PASS_EDGE = 100.0
"""Hz; up to here (or 0.96 of the lower Nyquist frequency, if less) the resampler is flat."""
ATTENUATION = 70.0
"""dB; how far images and aliases are down. 60 are promised."""
MOST_PHASES = 2048
LARGEST_FACTOR = 10**8
"""Denominator of the ratio of rates, which is rounded to it: a day's length by less than a sample, and sample numbers
times a factor fit 64 bits."""


@dataclass(frozen=True)
class PolyphaseFilter:
    """A rational resampler: output sample m is a sum over the input samples around time m * down / up.

    Attributes:
        up: factor by which the rate is multiplied.
        down: factor by which it is divided.
        phases: rows of weights to a sample; `up`, or fewer, between which weights are interpolated.
        table: float32 [phases, taps], or [phases + 1, taps] where weights are interpolated.
    """

    up: int
    down: int
    phases: int
    table: NDArray[np.float32]


def sections(chain: Chain) -> NDArray[np.float64]:
    """Band-pass and notch as second-order sections [section, 6], for `scipy.signal.sosfilt`."""
    from scipy import signal

    band = signal.butter(chain.order, chain.band, "bandpass", fs=chain.sampling_rate, output="sos")
    notch = signal.tf2sos(*signal.iirnotch(chain.notch, chain.notch_quality, fs=chain.sampling_rate))
    return np.concatenate([band, notch])


@lru_cache(maxsize=64)
def polyphase(rate: Fraction, sampling_rate: int) -> PolyphaseFilter:
    """The resampler from `rate` to `sampling_rate`: a Kaiser-windowed sinc, linear in phase, without delay.

    Flat up to `PASS_EDGE`, and `ATTENUATION` down from the Nyquist frequency of the lower rate on.

    Raises:
        ChannelError: the rate is not one of 100 to 5000 Hz.
    """
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ChannelError(f"sampling rate: found {float(rate):g} Hz, wanted {LOWEST_RATE} to {HIGHEST_RATE} Hz")
    factor = (Fraction(sampling_rate) / rate).limit_denominator(LARGEST_FACTOR)
    up, down = factor.numerator, factor.denominator
    if up == down:
        return PolyphaseFilter(1, 1, 1, np.empty((0, 0), np.float32))
    phases = min(up, MOST_PHASES)
    table = _windowed_sinc(float(rate), min(float(rate), sampling_rate) / 2, phases, interpolated=phases < up)
    return PolyphaseFilter(up, down, phases, table)


def _windowed_sinc(rate: float, stop: float, phases: int, *, interpolated: bool) -> NDArray[np.float32]:
    from scipy import signal

    edge = min(PASS_EDGE, 0.96 * stop)
    count, beta = signal.kaiserord(ATTENUATION, 2 * (stop - edge) / rate)
    taps = 4 * math.ceil(count / 4)
    cutoff = (edge + stop) / rate  # the band's middle, of the input's Nyquist frequency
    # The weight of the k-th of the samples around a time that lies a fraction after sample number taps / 2 - 1.
    fractions = np.arange(phases + 1 if interpolated else phases) / phases
    distance = np.arange(taps) - (taps // 2 - 1) - fractions[:, None]
    inside = np.clip(1 - (distance / (taps / 2)) ** 2, 0, None)
    weights = cutoff * np.sinc(cutoff * distance) * np.i0(beta * np.sqrt(inside)) / np.i0(beta)
    return np.ascontiguousarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
