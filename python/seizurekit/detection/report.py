"""Draws a page of EEG with the annotated and the detected seizures.

The page follows the conventions of clinical EEG: channels of the left side, the midline and the right side, negative
up, a line each second, and a scale bar. Below it are the seizure probability of the page and of the whole recording.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from seizurekit.atomic import write_atomic
from seizurekit.recordings.annotations import Event
from seizurekit.recordings.channels import CANONICAL_CHANNELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Float32 = npt.NDArray[np.float32]

PAGE_SECONDS = (20.0, 45.0)
"""Shortest and longest page in seconds."""

_BEFORE = 8.0
_AFTER = 6.0
_GROUPS = (slice(0, 8), slice(8, 11), slice(11, 19))
_GROUP_COLORS = ("#1f4e8c", "#333333", "#8c2f1f")
_ANNOTATED, _DETECTED, _PROBABILITY = "#2e8b57", "#d95f02", "#4a2c7f"


@dataclass(frozen=True)
class ReportPage:
    """Content of a report.

    Attributes:
        title: title, such as the name of the recording.
        signal: preprocessed recording in standard deviations, float32 [19, sample].
        rate: sampling rate in Hz.
        probability: seizure probability, float32 [sample].
        threshold: threshold of the detector.
        annotated: annotated seizures; None without annotations.
        detected: detected seizures.
    """

    title: str
    signal: Float32
    rate: float
    probability: Float32
    threshold: float
    annotated: Sequence[Event] | None
    detected: Sequence[Event]


def write_report(path: str | PathLike[str], page: ReportPage) -> None:
    """Writes one page of a recording as a PNG of 1600 × 1000 pixels, completely or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    duration = page.signal.shape[1] / page.rate
    start, stop = choose_page(page.annotated or (), page.detected, duration)
    figure = Figure(figsize=(16, 10), dpi=100)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        3, 1, height_ratios=(17, 2.6, 1.6), left=0.055, right=0.975, top=0.915, bottom=0.055, hspace=0.16
    )
    eeg, probability, overview = (figure.add_subplot(grid[row]) for row in range(3))
    _draw_eeg(eeg, page, start, stop)
    _draw_probability(probability, page, start, stop)
    _draw_overview(overview, page, start, stop, duration)
    figure.text(0.055, 0.962, page.title, fontsize=15, fontweight="bold", va="center")
    figure.text(0.055, 0.934, _subtitle(page, start, stop), fontsize=10.5, color="#444444", va="center")
    _draw_legend(eeg, page)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_atomic(Path(path), content.getvalue())


def choose_page(annotated: Sequence[Event], detected: Sequence[Event], duration: float) -> tuple[float, float]:
    """Start and stop of the page in seconds.

    The page shows an annotated seizure that was detected, otherwise an annotated one, otherwise a detected one,
    otherwise the start of the recording. Seizures that fit on a page with context are preferred.
    """
    found = [event for event in annotated if any(event.start < d.stop and d.start < event.stop for d in detected)]
    candidates = found or list(annotated) or list(detected)
    shortest, longest = PAGE_SECONDS
    if not candidates:
        return 0.0, min(longest, duration)
    available = longest - _BEFORE - _AFTER
    event = min(candidates, key=lambda e: (e.stop - e.start > available, abs(e.stop - e.start - 0.8 * available)))
    start = event.start - _BEFORE
    length = float(np.clip(event.stop + _AFTER - start, shortest, longest))
    start = float(np.floor(min(max(start, 0.0), max(duration - length, 0.0))))
    return start, min(start + float(np.ceil(length)), duration)


def _subtitle(page: ReportPage, start: float, stop: float) -> str:
    duration = _clock(page.signal.shape[1] / page.rate)
    return f"{_clock(start)} to {_clock(stop)} of {duration}; 0.5 to 120 Hz, z-scored; negative is up"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _rows() -> npt.NDArray[np.float64]:
    """Vertical position of each channel, top to bottom, with gaps between left side, midline and right side."""
    rows = np.arange(19.0)
    for group, of in enumerate(_GROUPS):
        rows[of] += 0.7 * group
    return -rows


def _draw_eeg(axes: Axes, page: ReportPage, start: float, stop: float) -> None:
    first, last = int(start * page.rate), int(stop * page.rate)
    part = page.signal[:, first:last]
    seconds = (first + np.arange(part.shape[1])) / page.rate
    rows = _rows()
    gain = 0.42 / max(float(np.percentile(np.abs(part), 98.0)), 0.5) if part.size else 1.0
    for group, of in enumerate(_GROUPS):
        for channel in range(of.start, of.stop):
            trace = rows[channel] - gain * part[channel]
            axes.plot(seconds, trace, color=_GROUP_COLORS[group], linewidth=0.6)
    axes.set_yticks(rows, CANONICAL_CHANNELS, fontsize=10)
    colors = [color for color, of in zip(_GROUP_COLORS, _GROUPS, strict=True) for _ in range(of.start, of.stop)]
    for label, color in zip(axes.get_yticklabels(), colors, strict=True):
        label.set_color(color)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(rows[-1] - 1.0, 2.0)
    _mark_events(axes, page, 1.0, 1.9)
    _second_grid(axes, start, stop)
    _draw_scale(axes, stop, rows[-1], gain)


def _mark_events(axes: Axes, page: ReportPage, low: float, high: float) -> None:
    """Draws annotated seizures as a shade and the upper bar, detected ones as the lower bar and dashed edges."""
    middle, gap = (low + high) / 2, 0.05
    for event in page.annotated or ():
        axes.axvspan(event.start, event.stop, color=_ANNOTATED, alpha=0.10, linewidth=0)
        axes.broken_barh(
            [(event.start, event.stop - event.start)], (middle + gap, high - middle - gap), color=_ANNOTATED
        )
    for event in page.detected:
        axes.broken_barh([(event.start, event.stop - event.start)], (low, middle - low - gap), color=_DETECTED)
        for edge in (event.start, event.stop):
            axes.axvline(edge, color=_DETECTED, linewidth=1.3, linestyle=(0, (5, 3)))


def _second_grid(axes: Axes, start: float, stop: float) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    axes.set_xlim(start, stop)
    axes.xaxis.set_major_locator(MultipleLocator(5.0))
    axes.xaxis.set_minor_locator(MultipleLocator(1.0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds)))
    axes.grid(axis="x", which="minor", color="#000000", alpha=0.10, linewidth=0.6)
    axes.grid(axis="x", which="major", color="#000000", alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_scale(axes: Axes, stop: float, bottom: float, gain: float) -> None:
    """Draws a scale bar of 1 s and some standard deviations in the lower right corner."""
    size = next(s for s in (1, 2, 5, 10) if s * gain >= 0.35 or s == 10)
    right, low = stop - 0.35, bottom - 0.85
    axes.plot([right - 1.0, right, right], [low, low, low + size * gain], color="black", linewidth=2.0)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    axes.text(right - 1.1, low, f"1 s, {size} SD", ha="right", va="bottom", fontsize=10, bbox=box)


def _draw_probability(axes: Axes, page: ReportPage, start: float, stop: float) -> None:
    first, last = int(start * page.rate), int(stop * page.rate)
    seconds = np.arange(first, last) / page.rate
    axes.fill_between(seconds, page.probability[first:last], color=_PROBABILITY, alpha=0.2, linewidth=0)
    axes.plot(seconds, page.probability[first:last], color=_PROBABILITY, linewidth=1.4)
    axes.axhline(page.threshold, color=_DETECTED, linewidth=1.0)
    _shade(axes, page)
    _second_grid(axes, start, stop)
    _probability_scale(axes)
    axes.set_ylabel("seizure\nprobability", fontsize=9)
    axes.tick_params(axis="x", labelbottom=False)


def _draw_overview(axes: Axes, page: ReportPage, start: float, stop: float, duration: float) -> None:
    step = max(len(page.probability) // 4000, 1)
    length = len(page.probability) // step * step
    coarse = page.probability[:length].reshape(-1, step).max(axis=1)
    axes.plot(np.arange(len(coarse)) * step / page.rate, coarse, color=_PROBABILITY, linewidth=0.9)
    _shade(axes, page)
    axes.axvspan(start, stop, fill=False, edgecolor="black", linewidth=1.2)
    axes.axhline(page.threshold, color=_DETECTED, linewidth=0.8)
    _probability_scale(axes)
    axes.set_xlim(0.0, duration)
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    ticks = (10, 30, 60, 120, 300, 600, 1800, 3600)
    axes.xaxis.set_major_locator(MultipleLocator(next((t for t in ticks if duration / t <= 16), duration / 10)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds)))
    axes.set_ylabel("whole\nrecording", fontsize=9)


def _shade(axes: Axes, page: ReportPage) -> None:
    for event in page.annotated or ():
        axes.axvspan(event.start, event.stop, color=_ANNOTATED, alpha=0.18, linewidth=0)
    bars = [(event.start, event.stop - event.start) for event in page.detected]
    axes.broken_barh(bars, (1.03, 0.14), color=_DETECTED)


def _probability_scale(axes: Axes) -> None:
    axes.set_ylim(0.0, 1.2)
    axes.set_yticks([0.0, 0.5, 1.0])
    axes.tick_params(axis="y", labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_legend(axes: Axes, page: ReportPage) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    annotated = "annotated seizure" if page.annotated is not None else "no annotations"
    entries = [
        Patch(color=_ANNOTATED, label=annotated),
        Patch(color=_DETECTED, label="detected seizure"),
        Line2D([], [], color=_PROBABILITY, label="probability"),
        Line2D([], [], color=_DETECTED, linewidth=1.0, label=f"threshold {page.threshold:.2f}"),
    ]
    axes.legend(
        handles=entries,
        ncols=4,
        frameon=False,
        fontsize=10.5,
        borderaxespad=0.3,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
    )
