"""Several processes that train one model under torchrun compute the same as one process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commands import run_command
from tiny import DEMO, tiny_overrides

pytestmark = pytest.mark.slow

OVERRIDES = ("training={epochs: 2, device: cpu, accumulate: 2}", "model.dropout=0")
BATCH = 6
"""Windows of a batch, over all processes. The last batch of an epoch has two or more, so two processes can share it."""


def train(store: Path, folder: Path, *more: str) -> str:
    """Trains in this process; returns the log."""
    folder.mkdir(exist_ok=True)
    result = run_command(
        "train", DEMO, *tiny_overrides(store, *OVERRIDES, f"loader.batch_size={BATCH}"), *more, cwd=folder
    )
    assert result.returncode == 0, result.stderr
    return result.stderr


def records(folder: Path, kind: str) -> list[dict[str, float]]:
    lines = (folder / "runs" / "tiny" / "metrics.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


@pytest.fixture(scope="module")
def alone(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one process has trained."""
    folder = tmp_path_factory.mktemp("alone")
    train(small_store, folder)
    return folder


@pytest.fixture(scope="module")
def together(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two processes have trained with the same global batch, and saved a state after every step."""
    folder = tmp_path_factory.mktemp("together")
    overrides = tiny_overrides(
        small_store, *OVERRIDES, f"loader.batch_size={BATCH // 2}", "checkpoints={minutes: 0.0001, keep: 1000}"
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*torchrun, "-m", "seizurekit", "train", str(DEMO), *overrides]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("sampling:") == 1  # only rank 0 logs
    return folder


def assert_alike(one: Path, other: Path) -> None:
    losses = [
        [(record["step"], record["train/loss"]) for record in records(folder, "train")] for folder in (one, other)
    ]
    assert [step for step, _ in losses[0]] == [step for step, _ in losses[1]]
    assert [loss for _, loss in losses[0]] == pytest.approx([loss for _, loss in losses[1]], rel=2e-4)
    for before, after in zip(records(one, "val"), records(other, "val"), strict=True):
        for name in ("val/loss", "val/loss_unweighted", "val/auroc", "val/brier"):
            assert before[name] == pytest.approx(after[name], rel=2e-3)


def test_two_processes_have_the_loss_curve_of_one_with_the_same_global_batch(alone: Path, together: Path) -> None:
    assert_alike(alone, together)


def test_one_process_resumes_a_run_of_two(small_store: Path, alone: Path, together: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(together, tmp_path / "resumed")
    states = sorted((folder / "runs" / "tiny" / "checkpoints").iterdir())
    for path in states[len(states) // 2 :]:
        path.unlink()
    log = train(small_store, folder, "--resume")
    assert "after step" in log
    assert_alike(alone, folder)
