"""Report page: choice of the page, and content of the image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from seizurekit.detection.report import PAGE_SECONDS, ReportPage, choose_page, write_report
from seizurekit.recordings.annotations import Event

RATE = 256.0
GREEN, ORANGE = (46, 139, 87), (217, 95, 2)


def seizure(start: float, stop: float) -> Event:
    return Event(start, stop, "seiz")


def page(seconds: float, annotated: tuple[Event, ...] | None, detected: tuple[Event, ...]) -> ReportPage:
    samples = int(seconds * RATE)
    signal = np.broadcast_to(np.random.default_rng(0).standard_normal(samples, np.float32), (19, samples))
    probability = np.linspace(0, 1, samples, dtype=np.float32)
    return ReportPage("a recording", signal, RATE, probability, 0.5, annotated, detected)


def read_png(path: Path) -> np.ndarray:
    return (matplotlib.image.imread(path)[..., :3] * 255).round().astype(int)


def has_color(image: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool((np.abs(image - color).max(axis=2) <= 2).sum() > 1500)


def test_the_page_shows_a_detected_seizure_with_context() -> None:
    annotated = [seizure(100, 130), seizure(400, 425)]
    start, stop = choose_page(annotated, [seizure(402, 420)], 900.0)
    assert start < 400 - 5
    assert stop > 425 + 5
    assert PAGE_SECONDS[0] <= stop - start <= PAGE_SECONDS[1]


def test_a_detected_seizure_has_priority_over_a_missed_one() -> None:
    start, stop = choose_page([seizure(100, 125), seizure(400, 405)], [seizure(401, 404)], 900.0)
    assert start < 400 < 405 < stop


def test_a_missed_seizure_has_priority_over_a_false_alarm() -> None:
    start, stop = choose_page([seizure(100, 120)], [seizure(500, 520)], 900.0)
    assert start < 100 < 120 < stop
    start, stop = choose_page([], [seizure(500, 520)], 900.0)
    assert start < 500 < 520 < stop
    assert choose_page([], [], 900.0) == (0.0, PAGE_SECONDS[1])


@pytest.mark.parametrize("duration", [0.5, 3.0, 19.0, 21.0, 60.0, 1000.0])
@pytest.mark.parametrize("at", [0.0, 0.5, 0.99])
def test_the_page_is_within_the_recording(duration: float, at: float) -> None:
    event = seizure(at * duration, duration)
    start, stop = choose_page([event], [event], duration)
    assert 0 <= start < stop <= duration


def test_a_long_seizure_is_shown_from_its_start() -> None:
    start, stop = choose_page([seizure(100, 400)], [seizure(100, 400)], 900.0)
    assert start < 100 < stop
    assert stop - start == PAGE_SECONDS[1]


def test_the_image_shows_annotated_and_detected_seizures_in_1600_by_1000_pixels(tmp_path: Path) -> None:
    write_report(tmp_path / "report.png", page(120.0, (seizure(40, 60),), (seizure(42, 62),)))
    image = read_png(tmp_path / "report.png")
    assert image.shape == (1000, 1600, 3)
    assert has_color(image, GREEN)
    assert has_color(image, ORANGE)
    assert [path.name for path in tmp_path.iterdir()] == ["report.png"]


@pytest.mark.parametrize("seconds", [0.1, 2.0, 30.0, 7200.0])
def test_recordings_of_any_length_can_be_drawn(tmp_path: Path, seconds: float) -> None:
    write_report(tmp_path / "report.png", page(seconds, None, ()))
    assert read_png(tmp_path / "report.png").shape == (1000, 1600, 3)


@pytest.mark.slow
def test_the_legend_reports_missing_annotations(tmp_path: Path) -> None:
    for name, annotated in (("none", None), ("empty", ())):
        write_report(tmp_path / f"{name}.png", page(2.0, annotated, ()))
    assert not np.array_equal(read_png(tmp_path / "none.png"), read_png(tmp_path / "empty.png"))


def test_a_flat_recording_can_be_drawn(tmp_path: Path) -> None:
    noise = page(30.0, (), ())
    write_report(tmp_path / "report.png", replace(noise, signal=np.zeros_like(noise.signal)))
    assert read_png(tmp_path / "report.png").shape == (1000, 1600, 3)
