"""The resampler alone: passband, images, aliases, delay and length."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seizurekit._core import signal as _signal
from seizurekit.errors import ChannelError
from seizurekit.signal.filters import MAX_PHASES, design_resampler

RATES: list[Fraction | int] = [
    100,
    128,
    200,
    209,
    220,
    240,
    250,
    255,
    257,
    400,
    500,
    512,
    1000,
    1024,
    2000,
    5000,
    Fraction("999.5"),
    Fraction(500, 3),
]


def resample(x: NDArray[np.float64], rate: Fraction) -> NDArray[np.float64]:
    """One row at 256 Hz, with the z-score at the end of the chain undone."""
    resampler = design_resampler(rate, 256)
    plan = _signal.ChainPlan(
        scales=[1.0],
        electrode_of=[0],
        weights=[[]],
        factors=(resampler.up, resampler.down),
        phases=resampler.phases,
        table=resampler.table,
        sections=[],
        clip=1e9,
    )
    y, mean, std = _signal.run_array(plan, np.asarray(x[None], np.float32))
    row: NDArray[np.float64] = y[0].astype(float) * std[0] + mean[0]
    return row


def measure_tone(frequency: float, rate: Fraction) -> tuple[float, float]:
    """Gain of a tone in dB, and level of everything else in the output in dB."""
    seconds = 40
    t = np.arange(int(seconds * rate)) / float(rate)
    y = resample(np.cos(2 * np.pi * frequency * t + 0.3), rate)
    middle = y[5 * 256 : 35 * 256]
    at = np.arange(len(middle)) / 256
    basis = np.stack([np.cos(2 * np.pi * frequency * at), np.sin(2 * np.pi * frequency * at)], axis=1)
    coefficients, *_ = np.linalg.lstsq(basis, middle, rcond=None)
    rest = middle - basis @ coefficients
    gain = 20 * np.log10(np.hypot(*coefficients))
    return float(gain), float(20 * np.log10(np.sqrt(2 * np.mean(rest**2)) + 1e-12))


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_tones_up_to_100_hz_keep_their_amplitude_without_images(rate: Fraction | int) -> None:
    highest = min(100.0, 0.96 * min(float(rate), 256) / 2)
    for frequency in (0.5, 1.3, 10.0, 0.5 * highest, 0.97 * highest, 0.999 * highest):
        gain, rest = measure_tone(frequency, Fraction(rate))
        assert abs(gain) <= 0.05
        assert rest <= -60


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate > 256], ids=str)
def test_tones_above_the_new_nyquist_frequency_are_removed(rate: Fraction | int) -> None:
    for frequency in (128.5, 140.0, 156.0, 0.49 * float(rate)):
        if 128 < frequency < float(rate) / 2:
            t = np.arange(int(20 * rate)) / float(rate)
            y = resample(np.cos(2 * np.pi * frequency * t), Fraction(rate))[5 * 256 : 15 * 256]
            assert 20 * np.log10(np.sqrt(2 * np.mean(y**2))) <= -60


@pytest.mark.parametrize("rate", [Fraction(1000003, 4001), Fraction("249.99991"), Fraction(4999999, 1000)])
def test_a_rate_with_a_huge_denominator_needs_no_more_memory_and_is_as_exact(rate: Fraction) -> None:
    assert design_resampler(rate, 256).table.shape[0] <= MAX_PHASES + 1
    gain, rest = measure_tone(77.0, rate)
    assert abs(gain) <= 0.05
    assert rest <= -60


def test_the_output_has_no_delay() -> None:
    for rate in (250, 512, 1000):
        x = np.zeros(20 * rate)
        x[10 * rate - rate // 4 : 10 * rate + rate // 4 + 1] = np.hanning(2 * (rate // 4) + 1)
        assert np.argmax(resample(x, Fraction(rate))) == 10 * 256


@pytest.mark.parametrize("rate", [250, 512, 5000])
def test_a_constant_stays_constant_up_to_the_ends(rate: int) -> None:
    y = resample(np.full(3 * rate, 1000.0), Fraction(rate))
    np.testing.assert_allclose(y, 1000.0, rtol=1e-6)


@pytest.mark.parametrize("rate", [99, 5001, Fraction(999, 10), Fraction(0)])
def test_rates_out_of_range_are_rejected(rate: Fraction | int) -> None:
    with pytest.raises(ChannelError, match="expected 100 to 5000 Hz"):
        design_resampler(Fraction(rate), 256)


@settings(max_examples=40)
@given(st.fractions(100, 5000, max_denominator=997), st.integers(0, 3000))
def test_the_output_has_the_same_duration_at_256_hz(rate: Fraction, samples: int) -> None:
    y = resample(np.random.default_rng(0).normal(size=samples), rate)
    assert len(y) == samples * 256 * rate.denominator // rate.numerator
    assert np.isfinite(y).all()
