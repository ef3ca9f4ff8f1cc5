"""From probabilities to events, compared with a loop over samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seizurekit.config import DetectionConfig
from seizurekit.detection.events import detect_events, find_runs, smooth, to_steps

PLAIN = DetectionConfig(smoothing=0.0, merge_gap=0.0, min_duration=0.0, hysteresis=0.5)

probabilities = st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0]), max_size=60)


def by_loop(values: list[float], threshold: float, detection: DetectionConfig, rate: float) -> list[tuple[int, int]]:
    runs: list[list[int]] = []
    inside = reached = False
    for i, value in enumerate([*values, -1.0]):
        if value >= np.float32(detection.hysteresis * threshold):
            if not inside:
                start, inside, reached = i, True, False
            reached = reached or bool(value >= np.float32(threshold))
        elif inside:
            inside = False
            if reached:
                runs.append([start, i])
    merged: list[list[int]] = []
    for run in runs:
        if merged and run[0] - merged[-1][1] < detection.merge_gap * rate:
            merged[-1][1] = run[1]
        else:
            merged.append(run)
    return [(a, b) for a, b in merged if b - a >= detection.min_duration * rate]


@given(
    values=probabilities,
    threshold=st.sampled_from([0.3, 0.5, 0.8]),
    hysteresis=st.sampled_from([0.25, 0.5, 1.0]),
    gap=st.integers(0, 4),
    shortest=st.integers(0, 4),
)
def test_events_equal_those_of_a_loop_over_the_samples(
    values: list[float], threshold: float, hysteresis: float, gap: int, shortest: int
) -> None:
    detection = DetectionConfig(smoothing=0.0, merge_gap=gap, min_duration=shortest, hysteresis=hysteresis)
    array = np.array(values, np.float32)
    found = [tuple(run) for run in find_runs(array, threshold, detection, 2.0).tolist()]
    assert found == by_loop(array.tolist(), threshold, detection, 2.0)


@given(values=probabilities, hysteresis=st.sampled_from([0.25, 0.5, 1.0]), nan=st.sets(st.integers(0, 59)))
def test_compressed_probabilities_give_the_same_events(values: list[float], hysteresis: float, nan: set[int]) -> None:
    thresholds = np.array([0.3, 0.4, 0.6, 0.8])
    detection = DetectionConfig(smoothing=0.0, merge_gap=1.0, min_duration=1.0, hysteresis=hysteresis)
    array = np.array([np.nan if i in nan else value for i, value in enumerate(values)], np.float32)
    steps, edges = to_steps(array, thresholds, detection)
    assert len(edges) == len(steps) + 1
    for threshold in thresholds:
        expected = find_runs(array, threshold, detection, 2.0)
        assert find_runs(steps, threshold, detection, 2.0, edges).tolist() == expected.tolist()


def test_a_slow_probability_has_few_steps() -> None:
    slow = np.linspace(0, 1, 100_000, dtype=np.float32)
    steps, edges = to_steps(slow, np.array([0.2, 0.7]), PLAIN)
    np.testing.assert_allclose(steps, [-1.0, 0.1, 0.2, 0.35, 0.7])
    np.testing.assert_allclose(edges, [0, 10_000, 20_000, 35_000, 70_000, 100_000], atol=1)


def test_an_event_extends_to_the_lower_threshold_and_must_reach_the_upper() -> None:
    probability = np.array([0, 0.3, 0.6, 0.3, 0, 0.3, 0.3, 0], np.float32)
    events = detect_events(probability, 1.0, 0.5, PLAIN)
    assert [(event.start, event.stop, event.label) for event in events] == [(1.0, 4.0, "seiz")]
    assert events[0].confidence == pytest.approx(0.6)


def test_an_event_can_cover_the_whole_recording() -> None:
    events = detect_events(np.ones(512, np.float32), 256.0, 0.5, PLAIN)
    assert [(event.start, event.stop) for event in events] == [(0.0, 2.0)]


def test_events_are_merged_before_short_ones_are_dropped() -> None:
    probability = np.zeros(100, np.float32)
    probability[[*range(10, 13), *range(15, 18), *range(50, 53)]] = 1.0
    detection = PLAIN.model_copy(update={"merge_gap": 3.0, "min_duration": 5.0})
    assert [(e.start, e.stop) for e in detect_events(probability, 1.0, 0.5, detection)] == [(10.0, 18.0)]


def test_an_empty_recording_has_no_events() -> None:
    assert detect_events(np.empty(0, np.float32), 256.0, 0.5, DetectionConfig()) == ()


@given(values=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=80), half=st.integers(0, 12))
def test_smoothing_is_a_moving_average_with_fewer_samples_at_the_ends(values: list[float], half: int) -> None:
    array = np.array(values, np.float32)
    expected = [np.mean(array[max(i - half, 0) : i + half + 1], dtype=np.float64) for i in range(len(array))]
    np.testing.assert_allclose(smooth(array, 2.0 * half, 1.0), expected, rtol=1e-5, atol=1e-6)
