"""Plot of sensitivity against false alarms."""

from __future__ import annotations

import io
from pathlib import Path

from seizurekit.atomic import write_atomic
from seizurekit.scoring.curves import Curve

MAX_FALSE_ALARMS = 100.0


def write_curve(path: Path, curve: Curve, operating_point: tuple[float, float], title: str) -> None:
    """Writes a plot of a curve as a PNG file, completely or not at all.

    Args:
        path: file to write.
        curve: curve to plot.
        operating_point: sensitivity and false alarms per 24 h at the threshold in use, marked in the plot.
        title: title of the plot.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    bounds = sorted({score.fa_per_24h for score in curve.scores})
    points = [(bound, curve.sensitivity_at(bound)) for bound in bounds]
    axes.step(*zip(*points, strict=True), where="post", color="#4a2c7f", linewidth=1.6, label="usable thresholds")
    sensitivity, false_alarms = operating_point
    axes.plot(false_alarms, sensitivity, "o", color="#d95f02", markersize=9, label="threshold in use")
    for bound in (10.0, 24.0):
        axes.axvline(bound, color="black", linewidth=0.7, linestyle=":")
        axes.text(bound, 0.02, f" {bound:g}", fontsize=9)
    axes.set_xlim(-1.0, MAX_FALSE_ALARMS)
    axes.set_ylim(0.0, 1.03)
    axes.set_xlabel("false alarms per 24 h")
    axes.set_ylabel("sensitivity")
    axes.set_title(f"{title}; AUROC of samples {curve.auroc:.3f}")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", frameon=False)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_atomic(path, content.getvalue())
