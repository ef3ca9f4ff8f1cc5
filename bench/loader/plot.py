"""Chart of the results of `bench.loader`."""

from __future__ import annotations

import textwrap
from pathlib import Path

from bench.loader.result import Result


def _label(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds >= 100 else f"{milliseconds:.3g} ms"


def plot(path: Path, title: str, results: list[Result], machine: str) -> None:
    """Draws times per batch on a logarithmic axis, the fastest on top: a bar to the median, a line to p95."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    ordered = sorted(results, key=lambda result: result.typical, reverse=True)
    figure, axes = plt.subplots(figsize=(9, 1.6 + 0.42 * len(ordered)), layout="constrained")
    typical = [result.typical * 1e3 for result in ordered]
    ends = [max(result.quantile(0.95), result.typical) * 1e3 for result in ordered]
    colours = ["#1f6f8b" if result.name.startswith("seizurekit") else "#b8b8b8" for result in ordered]
    rows = range(len(ordered))
    axes.barh(rows, typical, color=colours, height=0.7)
    axes.hlines(rows, typical, ends, color="#444444", linewidth=1.5)
    for row, milliseconds, end in zip(rows, typical, ends, strict=True):
        axes.text(end * 1.1, row, _label(milliseconds), va="center", fontsize=9)
    axes.set_yticks(rows, [result.name for result in ordered])
    axes.set_xscale("log")
    axes.set_xlim(min(typical) / 2, max(result.quantile(0.95) for result in ordered) * 1e3 * 4)
    axes.set_xlabel("milliseconds per batch: median (bar; mean for loaders that read ahead) and 95th percentile (line)")
    figure.suptitle(textwrap.fill(title, 95), x=0.01, ha="left", fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(textwrap.fill(machine, 120), fontsize=7, color="#666666", x=0.01, ha="left")
    figure.savefig(path, dpi=150)
    plt.close(figure)
