"""Curve of sensitivity against false alarms, choice of a threshold, and AUROC of samples."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seizurekit.config import DetectionConfig
from seizurekit.detection.events import detect_events
from seizurekit.scoring.curves import THRESHOLDS, Curve, CurveBuilder, auroc_from_counts
from seizurekit.scoring.overlap import Score, score_by_overlap
from seizurekit.scoring.plot import write_curve

RATE = 16.0
HOUR = 3600.0
DETECTION = DetectionConfig(smoothing=0.0, merge_gap=0.0, min_duration=1.0)


def curve(*points: tuple[int, int], usable: list[bool] | None = None) -> Curve:
    """Curve with (events found of 10, false alarms per 24 h) at ascending thresholds."""
    scores = tuple(Score(tp, fp, 10 - tp, 24 * HOUR) for tp, fp in points)
    thresholds = np.linspace(0.1, 0.9, len(points))
    return Curve(thresholds, scores, np.array(usable or [True] * len(points)), 0.9)


def test_the_threshold_with_the_highest_sensitivity_within_the_limit_is_chosen() -> None:
    assert curve((10, 50), (9, 20), (8, 9), (5, 1), (2, 0)).threshold_at(10.0) == pytest.approx(0.5)


def test_the_middle_one_of_equal_thresholds_is_chosen() -> None:
    assert curve((9, 30), (8, 3), (8, 2), (8, 1), (1, 0)).threshold_at(10.0) == pytest.approx(0.5)


def test_if_no_threshold_is_within_the_limit_the_highest_is_chosen_and_sensitivity_is_0() -> None:
    noisy = curve((9, 90), (8, 80), (7, 70))
    assert noisy.threshold_at(10.0) == pytest.approx(0.9)
    assert noisy.sensitivity_at(10.0) == 0.0


def test_sensitivity_never_falls_as_more_false_alarms_are_allowed() -> None:
    mixed = curve((4, 50), (9, 20), (6, 9), (7, 1), (2, 0))
    sensitivities = [mixed.sensitivity_at(limit) for limit in (0.0, 1.0, 10.0, 24.0, 100.0)]
    assert sensitivities == [0.2, 0.7, 0.7, 0.9, 0.9]
    assert all(a <= b for a, b in pairwise(sensitivities))


def test_without_reference_events_the_sensitivity_is_nan() -> None:
    empty = Curve(np.array([0.5]), (Score(0, 0, 0, HOUR),), np.array([True]), math.nan)
    assert math.isnan(empty.sensitivity_at(10.0))


def test_thresholds_with_an_alarm_that_never_ends_are_not_usable() -> None:
    builder = CurveBuilder(DETECTION)
    reference = np.array([[100.0, 120.0], [300.0, 330.0]])
    builder.add(np.full(int(600 * RATE), 0.3, np.float32), reference, RATE)
    made = builder.curve()
    always = made.thresholds <= 0.3
    assert all(score.sensitivity == 1.0 and score.fp == 0 for score in np.array(made.scores, object)[always])
    assert not made.usable[always].any()
    assert made.sensitivity_at(10.0) == 0.0


def test_thresholds_without_detected_events_are_usable() -> None:
    builder = CurveBuilder(DETECTION)
    builder.add(np.full(int(600 * RATE), 0.3, np.float32), np.array([[100.0, 120.0]]), RATE)
    curve_without_events = builder.curve()
    assert curve_without_events.usable[curve_without_events.thresholds > 0.3].all()


def test_the_curve_pools_recordings_and_agrees_with_detect_events_at_each_threshold() -> None:
    rng = np.random.default_rng(3)
    builder = CurveBuilder(DETECTION)
    recordings = []
    for seconds in (400, 900):
        slow = np.repeat(rng.random(seconds // 5), int(5 * RATE)).astype(np.float32)
        reference = np.array([[50.0, 70.0], [200.0, 260.0]])
        builder.add(slow, reference, RATE)
        recordings.append((slow, reference))
    made = builder.curve()
    for i in range(0, len(THRESHOLDS), 7):
        expected = Score()
        for probability, reference in recordings:
            events = detect_events(probability, RATE, float(THRESHOLDS[i]), DETECTION)
            bounds = [(event.start, event.stop) for event in events]
            expected += score_by_overlap(reference, bounds, len(probability) / RATE)
        assert made.scores[i] == expected


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
)
def test_the_auroc_is_the_share_of_pairs_in_the_right_order(positive: list[int], negative: list[int]) -> None:
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    counts = [np.bincount(values, minlength=10) for values in (positive, negative)]
    assert auroc_from_counts(*counts) == pytest.approx(wins / (len(positive) * len(negative)))


def test_the_auroc_distinguishes_a_probability_of_1_from_one_just_below() -> None:
    builder = CurveBuilder(DETECTION)
    probability = np.repeat(np.array([1.0, 1.0 - 1.5 / 65536], np.float32), 160)
    builder.add(probability, np.array([[0.0, 10.0]]), RATE)
    assert builder.curve().auroc == 1.0


def test_the_auroc_of_samples_of_one_class_is_nan() -> None:
    builder = CurveBuilder(DETECTION)
    builder.add(np.linspace(0, 1, 1000, dtype=np.float32), np.empty((0, 2)), RATE)
    assert math.isnan(builder.curve().auroc)


def make_recordings(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(8)
    made = []
    for _ in range(count):
        probability = np.repeat(rng.random(120), int(5 * RATE)).astype(np.float32)
        start = rng.integers(0, 500, 2)
        made.append((probability, np.stack([start, start + rng.uniform(5, 60, 2)], axis=1)))
    return made


def build(*recordings: tuple[np.ndarray, np.ndarray]) -> CurveBuilder:
    builder = CurveBuilder(DETECTION)
    for probability, reference in recordings:
        builder.add(probability, reference, RATE)
    return builder


def test_sums_of_several_builders_give_the_curve_of_one() -> None:
    some = make_recordings(5)
    expected = build(*some).curve()
    together = build(*some[:2]).sums() + build(*some[2:]).sums() + build().sums()
    found = CurveBuilder.from_sums(DETECTION, together).curve()
    assert found.scores == expected.scores
    assert found.usable.tolist() == expected.usable.tolist()
    assert found.auroc == expected.auroc


def test_recordings_can_be_added_to_a_builder_made_from_sums() -> None:
    some = make_recordings(3)
    builder = CurveBuilder.from_sums(DETECTION, build(*some[:2]).sums())
    builder.add(*some[2], RATE)
    np.testing.assert_allclose(builder.sums(), build(*some).sums(), rtol=1e-12)


def test_sums_of_another_shape_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"shape of sums is \(3,\), expected"):
        CurveBuilder.from_sums(DETECTION, np.zeros(3))


def test_nan_probabilities_give_no_events_and_no_auroc() -> None:
    reference = np.array([[10.0, 20.0]])
    for probability in (np.full(1600, np.nan, np.float32), np.where(np.arange(1600) < 9, np.nan, 0.1)):
        made = build((probability.astype(np.float32), reference)).curve()
        assert math.isnan(made.auroc)
        assert made.sensitivity_at(10.0) == 0.0
        assert 0.0 < made.threshold_at(10.0) < 1.0


def test_a_curve_without_recordings_is_nan() -> None:
    made = build().curve()
    assert math.isnan(made.auroc)
    assert math.isnan(made.sensitivity_at(10.0))
    assert made.threshold_at(10.0) == made.thresholds[-1]


def test_the_plot_of_a_curve_is_a_png_file(tmp_path: Path) -> None:
    write_curve(tmp_path / "curve.png", curve((9, 20), (8, 9), (5, 1)), (0.8, 9.0), "a title")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]
