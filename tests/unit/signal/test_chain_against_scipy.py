"""The fused chain compared with SciPy in float64."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

import seizurekit as sk
from eeg_noise import noise
from seizurekit.errors import ChannelError
from seizurekit.recordings.channels import CANONICAL_CHANNELS
from seizurekit.signal.chain import Chain
from seizurekit.signal.filters import design_filters
from seizurekit.signal.preprocess import plan_preprocessing, preprocess_array
from seizurekit.signal.reference import reference_chain

LABELS = list(CANONICAL_CHANNELS)


def decibels(found: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """RMS of the expected signal over RMS of the error in dB, for the worst channel."""
    error = np.sqrt(np.mean((found.astype(float) - expected) ** 2, axis=1))
    return float(np.min(20 * np.log10(np.sqrt(np.mean(expected**2, axis=1)) / np.maximum(error, 1e-30))))


def test_at_256_hz_the_chain_agrees_with_scipy_to_100_db() -> None:
    x = noise(256, 300.0)
    found = preprocess_array(x, 256, LABELS).signal
    assert decibels(found, reference_chain(x.astype(float), Fraction(256), LABELS, Chain())) >= 100


@pytest.mark.slow
@pytest.mark.parametrize("rate", [250, 400, 512, 1000, 2048, 5000, Fraction("999.5"), Fraction(1000, 3)])
def test_at_other_rates_the_chain_agrees_to_60_db_away_from_the_edges(rate: Fraction | int) -> None:
    exact = Fraction(rate)
    x = noise(exact, 60.0)[:, : int(60 * exact) // exact.numerator * exact.numerator]
    found = preprocess_array(x, exact, LABELS).signal
    expected = reference_chain(x.astype(float), exact, LABELS, Chain())
    assert found.shape == expected.shape
    samples = found.shape[1]
    middle = slice(samples // 5, -samples // 5)
    assert decibels(found[:, middle], expected[:, middle]) >= 60


@pytest.mark.parametrize("rate", [250, 1000, 5000])
@pytest.mark.parametrize("outlier", [0.0, 1e6])
def test_dc_offsets_and_a_wrong_first_sample_do_not_reduce_accuracy(rate: int, outlier: float) -> None:
    x = noise(rate, 60.0) + np.linspace(-2e5, 2e5, 19, dtype=np.float32)[:, None]
    damaged = x.copy()
    damaged[:, 0] += outlier
    chain = Chain(clip=1e9)
    found = preprocess_array(damaged, rate, LABELS, chain)
    resampled = signal.resample(x.astype(float), 60 * 256, axis=1)
    expected = signal.sosfilt(design_filters(chain), resampled)
    middle = slice(20 * 256, 40 * 256)
    microvolts = found.signal * found.std[:, None] + found.mean[:, None]
    assert decibels(microvolts[:, middle], expected[:, middle]) >= 60


def test_interpolated_midline_electrodes_agree_to_100_db() -> None:
    x = noise(256, 60.0)
    kept = [i for i, name in enumerate(LABELS) if name not in {"Fz", "Pz"}]
    labels = [LABELS[i] for i in kept]
    found = preprocess_array(x[kept], 256, labels)
    assert found.interpolated == ("Fz", "Pz")
    assert decibels(found.signal, reference_chain(x[kept].astype(float), Fraction(256), labels, Chain())) >= 100


def test_real_recordings_at_256_hz_agree_to_100_db_and_all_have_the_planned_length(shared_data: Path) -> None:
    compared = 0
    for path in sorted(shared_data.rglob("*.edf")):
        with sk.open_edf(path) as edf:
            try:
                plan = plan_preprocessing(edf)
            except ChannelError:
                continue
            y = sk.preprocess(edf)
            assert y.shape == (19, plan.samples)
            assert np.isfinite(y).all()
            assert np.abs(y).max() <= 10
            if plan.rate == 256:
                x = edf.read(list(plan.channels), dtype="float64")
                labels = [edf.channels[channel].label for channel in plan.channels]
                assert decibels(y, reference_chain(x, plan.rate, labels, Chain())) >= 100
                compared += 1
    assert compared >= 5
