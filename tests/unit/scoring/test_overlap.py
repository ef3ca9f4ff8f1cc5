"""Any-overlap scores compared with a double loop and with `timescoring`."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from timescoring.annotations import Annotation
from timescoring.scoring import EventScoring

from seizurekit.scoring.overlap import Score, matched_seconds, score_by_overlap

DURATION = 600

Events = list[tuple[int, int]]


@st.composite
def events(draw: st.DrawFn, separate: bool = False) -> Events:
    edges = sorted(draw(st.sets(st.integers(0, DURATION), max_size=24)))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    if separate or not draw(st.booleans()):
        return pairs
    extra = draw(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 90)), max_size=4))
    return pairs + [(start, start + length) for start, length in extra]


def overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return max(a[0], b[0]) < min(a[1], b[1])


@given(reference=events(), detected=events())
def test_counts_equal_those_of_a_double_loop(reference: Events, detected: Events) -> None:
    score = score_by_overlap(reference, detected, DURATION)
    assert score.tp == sum(any(overlap(r, d) for d in detected) for r in reference)
    assert score.fn == len(reference) - score.tp
    assert score.fp == sum(not any(overlap(d, r) for r in reference) for d in detected)


@given(reference=events(separate=True), detected=events(separate=True))
def test_counts_equal_those_of_timescoring_without_tolerance_merging_and_splitting(
    reference: Events, detected: Events
) -> None:
    plain = EventScoring.Parameters(0, 0, 0, 10 * DURATION, 0)
    theirs = EventScoring(Annotation(reference, 10, 10 * DURATION), Annotation(detected, 10, 10 * DURATION), plain)
    ours = score_by_overlap(reference, detected, DURATION)
    assert (ours.tp, ours.fn) == (theirs.tp, theirs.refTrue - theirs.tp)
    assert ours.fp == theirs.fp
    assert ours.fa_per_24h == pytest.approx(theirs.fpRate)
    for our_rate, their_rate in ((ours.sensitivity, theirs.sensitivity), (ours.precision, theirs.precision)):
        assert our_rate == pytest.approx(their_rate, nan_ok=True)
    assert ours.f1 == pytest.approx(theirs.f1, nan_ok=True)


@given(reference=events(), detected=events())
def test_the_order_of_events_does_not_matter(reference: Events, detected: Events) -> None:
    assert score_by_overlap(reference, detected, 60.0) == score_by_overlap(reference[::-1], detected[::-1], 60.0)


def test_events_that_touch_do_not_overlap() -> None:
    assert score_by_overlap([(10, 20)], [(0, 10), (20, 30)], 100.0) == Score(0, 2, 1, 100.0)


def test_one_detection_can_find_several_seizures_and_several_can_find_one() -> None:
    assert score_by_overlap([(10, 20), (30, 40)], [(15, 35)], 100.0) == Score(2, 0, 0, 100.0)
    assert score_by_overlap([(10, 90)], [(15, 35), (50, 60)], 100.0) == Score(1, 0, 0, 100.0)


def test_rates_use_the_pooled_counts() -> None:
    score = Score(3, 1, 1, 3600.0) + Score(0, 1, 2, 3600.0)
    assert (score.tp, score.fp, score.fn) == (3, 2, 3)
    assert score.sensitivity == 0.5
    assert score.precision == 0.6
    assert score.f1 == pytest.approx(6 / 11)
    assert score.fa_per_24h == 24.0


def test_without_events_the_rates_are_nan() -> None:
    score = score_by_overlap([], [], 3600.0)
    assert all(math.isnan(x) for x in (score.sensitivity, score.precision, score.f1))
    assert score.fa_per_24h == 0.0
    assert math.isnan(Score().fa_per_24h)


def test_matched_seconds_are_those_of_overlapping_events() -> None:
    assert matched_seconds([(10, 20), (50, 55)], [(15, 45), (70, 80)]) == (10.0, 30.0)


@pytest.mark.parametrize("wrong", [[(20, 10)], [(5, 5)], [(float("nan"), 3)]])
def test_an_event_that_does_not_stop_after_its_start_is_rejected(wrong: Events) -> None:
    with pytest.raises(ValueError, match="reference event is"):
        score_by_overlap(wrong, [], 60.0)


def test_an_array_of_another_shape_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"shape of detected events is \(3,\)"):
        score_by_overlap([], np.array([1.0, 2.0, 3.0]), 60.0)
