"""Several processes that train one model, by torchrun, do what one process does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
OVERRIDES = (
    "name=run",
    "cache.window=20",
    "training.epochs=2",
    "training.device=cpu",
    "training.accumulate=2",
    "telemetry={every: 1, tensorboard: false}",
    "model={widths: [8, 8, 16], layers: 1, headdim: 4, d_state: 4, dropout: 0.0}",
)

BATCH = 6
"""Of all processes together. What is left at an epoch's end is more than one, so that two processes share it as one."""


def train(store: Path, folder: Path, processes: int, batch_size: int, *more: str) -> str:
    folder.mkdir(exist_ok=True)
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    arguments = ["-m", "seizurekit", "train", str(DEMO), *OVERRIDES, f"cache.dir={store}", *more]
    command = [sys.executable, *start, *arguments, f"loader.batch_size={batch_size}"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stderr


def figures(folder: Path, kind: str) -> list[dict[str, float]]:
    lines = (folder / "runs" / "run" / "metrics.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["kind"] == kind]


@pytest.fixture(scope="module")
def alone(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one process has trained."""
    folder = tmp_path_factory.mktemp("alone")
    train(small_store, folder, 1, BATCH)
    return folder


def assert_alike(one: Path, other: Path) -> None:
    losses = [[(line["step"], line["train/loss"]) for line in figures(folder, "train")] for folder in (one, other)]
    assert [step for step, _ in losses[0]] == [step for step, _ in losses[1]]
    assert [loss for _, loss in losses[0]] == pytest.approx([loss for _, loss in losses[1]], rel=2e-4)
    for before, after in zip(figures(one, "val"), figures(other, "val"), strict=True):
        for name in ("val/loss", "val/loss_unweighted", "val/auroc", "val/brier"):
            assert before[name] == pytest.approx(after[name], rel=2e-3)


@pytest.mark.slow
def test_two_processes_that_add_up_gradients_have_the_loss_curve_of_one_with_the_same_global_batch(
    small_store: Path, alone: Path, tmp_path: Path
) -> None:
    said = train(small_store, tmp_path / "two", 2, BATCH // 2)
    assert said.count("sampling:") == 1  # one speaks
    assert_alike(alone, tmp_path / "two")


@pytest.mark.slow
def test_one_process_goes_on_where_two_stopped(small_store: Path, alone: Path, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    every_step = "checkpoints={minutes: 0.0001, keep: 1000}"
    train(small_store, folder, 2, BATCH // 2, every_step)
    states = sorted((folder / "runs" / "run" / "checkpoints").iterdir())
    for path in states[len(states) // 2 :]:
        path.unlink()
    said = train(small_store, folder, 1, BATCH, "--resume")
    assert "going on after step" in said
    assert_alike(alone, folder)
