"""Random signals with a given spectrum, and slow random curves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

Float32 = npt.NDArray[np.float32]


def _shaped_noise(rng: np.random.Generator, amplitudes: Float32, size: int, rows: int, samples: int) -> Float32:
    """Gaussian noise of unit variance with the given amplitudes at `size // 2 + 1` frequencies."""
    spectrum = rng.standard_normal((rows, len(amplitudes), 2), dtype=np.float32).view(np.complex64)[..., 0]
    power = float(np.sum(np.square(amplitudes, dtype=np.float64)))
    spectrum *= amplitudes * np.float32(size / (2.0 * np.sqrt(power)))
    noise: Float32 = fft.irfft(spectrum, n=size, axis=1)
    return noise[:, :samples]


def _frequencies(samples: int, rate: int) -> tuple[int, npt.NDArray[np.floating]]:
    size = fft.next_fast_len(max(samples, 2 * rate), real=True)
    return size, np.arange(size // 2 + 1, dtype=np.float64) * (rate / size)


def colored_noise(rng: np.random.Generator, rows: int, samples: int, rate: int, exponent: float) -> Float32:
    """Gaussian noise of unit variance with power falling as ``1 / f**exponent`` above 0.7 Hz, float32 [row, sample]."""
    size, frequency = _frequencies(samples, rate)
    amplitudes = (frequency**2 + 0.7**2) ** (-0.25 * exponent)
    amplitudes[0] = 0.0
    return _shaped_noise(rng, amplitudes.astype(np.float32), size, rows, samples)


def band_noise(rng: np.random.Generator, rows: int, samples: int, rate: int, low: float, high: float) -> Float32:
    """Gaussian noise of unit variance between two frequencies in Hz, with soft edges, float32 [row, sample]."""
    size, frequency = _frequencies(samples, rate)
    rise = 1.0 / (1.0 + (low / np.maximum(frequency, 1e-9)) ** 8)
    fall = 1.0 / (1.0 + (frequency / high) ** 8)
    return _shaped_noise(rng, np.sqrt(rise * fall).astype(np.float32), size, rows, samples)


def slow_curve(rng: np.random.Generator, samples: int, rate: int, seconds: float) -> Float32:
    """Linear interpolation between normal draws every `seconds`, float32 [sample]."""
    knots = rng.standard_normal(int(samples / (rate * seconds)) + 2)
    at = np.arange(samples) * (1.0 / (rate * seconds))
    curve: Float32 = np.interp(at, np.arange(len(knots)), knots).astype(np.float32)
    return curve


def on_and_off(rng: np.random.Generator, samples: int, rate: int, on: float, off: float) -> Float32:
    """Curve that switches between 0 and 1 after exponentially drawn times, with ramps of 1 s, float32 [sample].

    Args:
        rng: random generator.
        samples: number of samples.
        rate: sampling rate in Hz.
        on: mean time on in seconds.
        off: mean time off in seconds.
    """
    length = samples / rate
    times, levels, now, level = [0.0], [0.0], 0.0, float(rng.random() < on / (on + off))
    while now < length:
        stay = 1.0 + rng.exponential(on if level else off)
        times += [now + 0.5, now + stay]
        levels += [level, level]
        now += stay + 0.5
        level = 1.0 - level
    level_at: Float32 = np.interp(np.arange(samples) / rate, times, levels).astype(np.float32)
    return level_at


def plateau(samples: int, rate: int, rise: float, fall: float) -> Float32:
    """Ones with cosine ramps of `rise` and `fall` seconds at the ends, float32 [sample]."""
    at = (np.arange(samples, dtype=np.float32) + 0.5) / rate
    up = np.clip(at / max(rise, 1e-6), 0.0, 1.0)
    down = np.clip((samples / rate - at) / max(fall, 1e-6), 0.0, 1.0)
    smooth: Float32 = (0.25 * (1.0 - np.cos(np.pi * up)) * (1.0 - np.cos(np.pi * down))).astype(np.float32)
    return smooth
