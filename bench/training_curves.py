"""Training curves of a run, read back from TensorBoard's files, by its own reader, and from W&B's offline files.

    python -m bench.training_curves RUN_DIR [--out PNG] [--title TEXT]

If a run has both, they must have the same values at the same steps, in float32; otherwise the command fails.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.wandb_file import history_rows, offline_runs, read_records

PANELS = {
    "seizures found at 10 false alarms in 24 h": ("val/sensitivity_at_10_fa",),
    "AUROC of samples": ("val/auroc",),
    "loss": ("val/loss", "train/epoch_loss"),
}
"""Titles of the panels, and the metrics in each; all are per epoch."""
NAMES = tuple(name for names in PANELS.values() for name in names)
_COLOURS = {"val": "#1f6f8b", "train": "#b8863b"}
Curves = dict[str, dict[int, float]]
"""Values by metric and step."""


def read_tensorboard(run_dir: Path) -> Curves:
    """Curves in TensorBoard's files; empty without any."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not (run_dir / "tb").is_dir():
        return {}
    events: Any = EventAccumulator(str(run_dir / "tb"), size_guidance={"scalars": 0}).Reload()
    available = events.Tags()["scalars"]
    return {name: {event.step: event.value for event in events.Scalars(name)} for name in NAMES if name in available}


def read_wandb(run_dir: Path) -> Curves:
    """Curves of all offline runs in the folder; where several have a step, the newest one's value counts."""
    curves: Curves = {}
    for folder in offline_runs(run_dir):
        for row in history_rows(read_records(folder)):
            for name in set(NAMES) & row.keys():
                curves.setdefault(name, {})[row["step"]] = row[name]
    return curves


def assert_equal(one: Curves, other: Curves) -> None:
    """Raises AssertionError, with the metric's name, unless both have the same steps and values."""
    assert one.keys() == other.keys(), f"metrics are {sorted(one)} and {sorted(other)}, expected the same"
    for name, curve in one.items():
        steps, other_steps = [*curve], [*other[name]]
        assert curve.keys() == other[name].keys(), f"{name}: steps are {steps} and {other_steps}, expected the same"
        values, other_values = (np.array([each[step] for step in curve], np.float32) for each in (curve, other[name]))
        are_equal = np.array_equal(values, other_values, equal_nan=True)
        assert are_equal, f"{name}: values are {values} and {other_values}, expected the same"


def draw(path: Path, title: str, sources: Mapping[str, Curves]) -> None:
    """Draws a row of panels for each source."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(
        len(sources), len(PANELS), figsize=(11, 0.8 + 2.6 * len(sources)), squeeze=False, layout="constrained"
    )
    for row, (source, curves) in zip(grid, sources.items(), strict=True):
        for axes, (panel, names) in zip(row, PANELS.items(), strict=True):
            for name in names:
                steps, values = [*curves.get(name, {})], [*curves.get(name, {}).values()]
                axes.plot(steps, values, ".-", color=_COLOURS[name.partition("/")[0]], label=name)
            axes.set_title(panel, loc="left", fontsize=9)
            axes.set_xlabel("step", fontsize=8)
            axes.set_ylim(*((-0.03, 1.03) if panel != "loss" else (0, None)))
            axes.tick_params(labelsize=8)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False, fontsize=7)
        row[0].set_ylabel(source, fontsize=9, fontweight="bold")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.training_curves",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="folder of a run, such as runs/demo")
    parser.add_argument("--out", type=Path, metavar="PNG", help="default: training.png in RUN_DIR")
    parser.add_argument("--title", help="default: the name of the run")
    options = parser.parse_args(arguments)
    tensorboard, wandb = read_tensorboard(options.run_dir), read_wandb(options.run_dir)
    if not tensorboard:
        parser.error(f"{options.run_dir / 'tb'}: validation metrics are missing")
    sources = {"TensorBoard's files": tensorboard}
    if wandb:
        assert_equal(tensorboard, wandb)
        sources["W&B's offline file"] = wandb
    out = options.out or options.run_dir / "training.png"
    draw(out, options.title or f"{options.run_dir.name}: split dev after each epoch", sources)
    count = sum(map(len, tensorboard.values()))
    print(f"{out}: {count} values from {', '.join(sources)}{', the same in both' if wandb else ''}")


if __name__ == "__main__":
    main()
