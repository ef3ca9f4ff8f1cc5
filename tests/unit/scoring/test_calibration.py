"""Brier score and expected calibration error."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seizurekit.scoring.calibration import calibration_error, calibration_sums, squared_error

Arrays = tuple[np.ndarray, np.ndarray]


def make_samples(samples: int = 5000) -> Arrays:
    rng = np.random.default_rng(0)
    probability = rng.random(samples).astype(np.float32) ** 2
    return probability, (rng.random(samples) < 0.7 * probability + 0.1).astype(np.uint8)


def by_hand(probability: np.ndarray, mask: np.ndarray) -> float:
    """Guo et al. (2017), equation 3, one bin at a time."""
    error = 0.0
    for m in range(15):
        inside = (probability > m / 15) & (probability <= (m + 1) / 15)
        inside |= (probability == 0) & (m == 0)
        if inside.any():
            difference = mask[inside].mean() - probability[inside].astype(np.float64).mean()
            error += inside.mean() * abs(difference)
    return float(error)


def test_the_calibration_error_equals_the_papers_formula() -> None:
    probability, mask = make_samples()
    assert calibration_error(calibration_sums(probability, mask)) == pytest.approx(by_hand(probability, mask), rel=1e-9)


def test_the_upper_edge_of_a_bin_belongs_to_the_bin() -> None:
    probability = np.array([0.0, 1.0, 0.2, np.nextafter(np.float32(0.2), np.float32(1))], np.float32)
    samples = calibration_sums(probability, np.zeros(4, np.uint8))[0]
    # 0.2 is 3 / 15; its float32 value is slightly larger and belongs to the fourth bin.
    assert np.flatnonzero(samples).tolist() == [0, 3, 14]
    assert calibration_sums(np.array([0.6], np.float32), np.ones(1, np.uint8))[0].argmax() == 9
    assert calibration_sums(np.array([0.99999], np.float32), np.ones(1, np.uint8))[0].argmax() == 14


def test_the_brier_score_is_the_mean_squared_error() -> None:
    probability, mask = make_samples()
    expected = np.mean((probability.astype(np.float64) - mask) ** 2)
    assert squared_error(probability, mask) / len(mask) == pytest.approx(expected, rel=1e-12)


def test_the_error_is_0_if_all_certain_predictions_are_right_and_1_if_all_are_wrong() -> None:
    mask = (np.arange(100) < 30).astype(np.uint8)
    for probability, expected in ((mask, 0.0), (1 - mask, 1.0)):
        p = probability.astype(np.float32)
        assert calibration_error(calibration_sums(p, mask)) == expected
        assert squared_error(p, mask) / 100 == expected


def test_sums_of_recordings_add_up_to_those_of_all_samples() -> None:
    probability, mask = make_samples()
    added = calibration_sums(probability[:1234], mask[:1234]) + calibration_sums(probability[1234:], mask[1234:])
    np.testing.assert_allclose(added, calibration_sums(probability, mask), rtol=1e-12)


def test_without_samples_or_with_nan_the_error_is_nan() -> None:
    no_samples = np.zeros(0, np.float32), np.zeros(0, np.uint8)
    with_nan = np.array([0.5, np.nan], np.float32), np.zeros(2, np.uint8)
    for probability, mask in (no_samples, with_nan):
        assert math.isnan(calibration_error(calibration_sums(probability, mask)))
    assert math.isnan(squared_error(*with_nan))
