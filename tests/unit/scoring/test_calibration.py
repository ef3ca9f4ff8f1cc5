"""Brier score and expected calibration error."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seizurekit.scoring.calibration import calibration_error, calibration_sums, squared_error

Arrays = tuple[np.ndarray, np.ndarray]


def some(samples: int = 5000) -> Arrays:
    rng = np.random.default_rng(0)
    probability = rng.random(samples).astype(np.float32) ** 2
    return probability, (rng.random(samples) < 0.7 * probability + 0.1).astype(np.uint8)


def by_hand(probability: np.ndarray, mask: np.ndarray) -> float:
    """Guo et al. (2017), equation 3, a bin at a time."""
    error = 0.0
    for m in range(15):
        inside = (probability > m / 15) & (probability <= (m + 1) / 15)
        inside |= (probability == 0) & (m == 0)
        if inside.any():
            difference = mask[inside].mean() - probability[inside].astype(np.float64).mean()
            error += inside.mean() * abs(difference)
    return float(error)


def test_the_calibration_error_is_the_papers() -> None:
    probability, mask = some()
    assert calibration_error(calibration_sums(probability, mask)) == pytest.approx(by_hand(probability, mask), rel=1e-9)


def test_edges_of_bins_belong_to_the_bin_below() -> None:
    probability = np.array([0.0, 1.0, 0.2, np.nextafter(np.float32(0.2), np.float32(1))], np.float32)
    samples = calibration_sums(probability, np.zeros(4, np.uint8))[0]
    # 0.2 is 3 / 15; as float32 it is a little more, and so belongs to the fourth bin
    assert np.flatnonzero(samples).tolist() == [0, 3, 14]
    assert calibration_sums(np.array([0.6], np.float32), np.ones(1, np.uint8))[0].argmax() == 9
    assert calibration_sums(np.array([0.99999], np.float32), np.ones(1, np.uint8))[0].argmax() == 14


def test_the_brier_score_is_the_mean_squared_error() -> None:
    probability, mask = some()
    wanted = np.mean((probability.astype(np.float64) - mask) ** 2)
    assert squared_error(probability, mask) / len(mask) == pytest.approx(wanted, rel=1e-12)


def test_a_detector_that_is_always_sure_and_right_has_no_error_and_one_always_wrong_has_all() -> None:
    mask = (np.arange(100) < 30).astype(np.uint8)
    for probability, wanted in ((mask, 0.0), (1 - mask, 1.0)):
        p = probability.astype(np.float32)
        assert calibration_error(calibration_sums(p, mask)) == wanted
        assert squared_error(p, mask) / 100 == wanted


def test_sums_of_recordings_are_those_of_the_recordings_together() -> None:
    probability, mask = some()
    apart = calibration_sums(probability[:1234], mask[:1234]) + calibration_sums(probability[1234:], mask[1234:])
    np.testing.assert_allclose(apart, calibration_sums(probability, mask), rtol=1e-12)


def test_without_samples_or_with_nan_there_is_no_error() -> None:
    nothing = np.zeros(0, np.float32), np.zeros(0, np.uint8)
    broken = np.array([0.5, np.nan], np.float32), np.zeros(2, np.uint8)
    for probability, mask in (nothing, broken):
        assert math.isnan(calibration_error(calibration_sums(probability, mask)))
    assert math.isnan(squared_error(*broken))
