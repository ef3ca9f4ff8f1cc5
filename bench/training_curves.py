"""The curves of a run, read back from where it told them: TensorBoard's files, by TensorBoard's own reader, and W&B's.

    python -m bench.training_curves RUN_DIR [--out PNG] [--title TEXT]

Where both are there they must have the same values at the same steps, as float32 has them; else it ends with an error.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.wandb_file import history, offline_runs, records

PANELS = {
    "seizures found at 10 false alarms in 24 h": ("val/sensitivity_at_10_fa",),
    "AUROC of samples": ("val/auroc",),
    "loss": ("val/loss", "train/epoch_loss"),
}
"""What is drawn, and of which figures; all are of whole epochs."""
NAMES = tuple(name for names in PANELS.values() for name in names)
_COLOURS = {"val": "#1f6f8b", "train": "#b8863b"}
Curves = dict[str, dict[int, float]]


def of_tensorboard(run_dir: Path) -> Curves:
    """Each figure's values by step; empty where there is none."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: Any = EventAccumulator(str(run_dir / "tb"), size_guidance={"scalars": 0}).Reload()
    there = found.Tags()["scalars"]
    return {name: {event.step: event.value for event in found.Scalars(name)} for name in NAMES if name in there}


def of_wandb(run_dir: Path) -> Curves:
    """Each figure's values by step, of all offline runs in the folder, the newest's where several have a step."""
    curves: Curves = {}
    for folder in offline_runs(run_dir):
        for row in history(records(folder)):
            for name in set(NAMES) & row.keys():
                curves.setdefault(name, {})[row["step"]] = row[name]
    return curves


def assert_equal(one: Curves, other: Curves) -> None:
    """Raises AssertionError, naming the figure, unless both have the same steps and values."""
    assert one.keys() == other.keys(), f"found the figures {sorted(one)} and {sorted(other)}"
    for name, curve in one.items():
        assert curve.keys() == other[name].keys(), f"{name}: found the steps {[*curve]} and {[*other[name]]}"
        told, again = (np.array([some[step] for step in curve], np.float32) for some in (curve, other[name]))
        assert np.array_equal(told, again, equal_nan=True), f"{name}: found {told} and {again}"


def draw(path: Path, title: str, sources: Mapping[str, Curves]) -> None:
    """A row of panels for each source."""
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


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="such as runs/demo")
    options.add_argument("--out", type=Path, metavar="PNG", help="training.png in RUN_DIR unless said")
    options.add_argument("--title", help="the run's name unless said")
    wanted = options.parse_args()
    tensorboard, wandb = of_tensorboard(wanted.run_dir), of_wandb(wanted.run_dir)
    if not tensorboard:
        options.error(f"{wanted.run_dir / 'tb'}: found no figures of a validation")
    sources = {"TensorBoard's files": tensorboard}
    if wandb:
        assert_equal(tensorboard, wandb)
        sources["W&B's offline file"] = wandb
    out = wanted.out or wanted.run_dir / "training.png"
    draw(out, wanted.title or f"{wanted.run_dir.name}: the split dev after each epoch", sources)
    values = sum(map(len, tensorboard.values()))
    print(f"{out}: {values} values of {', '.join(sources)}{', the same in both' if wandb else ''}")


if __name__ == "__main__":
    main()
