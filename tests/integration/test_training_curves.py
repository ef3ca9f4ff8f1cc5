"""Curves of a short training, read back from TensorBoard's and W&B's files, and their picture."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import wandb
from bench.training_curves import NAMES, assert_equal, main, read_tensorboard, read_wandb

from commands import run_command

ROOT = Path(__file__).resolve().parents[2]
OVERRIDES = (
    "name=tiny",
    "cache.window=20",
    "training={epochs: 2, max_steps: 8, device: cpu}",
    "loader.batch_size=8",
    "model={widths: [8, 8, 16], layers: 1, headdim: 4, d_state: 4}",
    "validation.max_recordings=2",
    "wandb={enabled: true, mode: offline}",
)


@pytest.fixture(scope="module")
def run_dir(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of two epochs, logged to TensorBoard and, offline, to W&B."""
    folder = tmp_path_factory.mktemp("curves")
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patched.delenv(name)
        for name in ("CONFIG", "CACHE", "DATA"):
            patched.setenv(f"WANDB_{name}_DIR", str(folder / "own"))
        patched.setenv("WANDB_ERROR_REPORTING", "false")
        wandb.teardown()
        config = ROOT / "configs" / "demo.yaml"
        result = run_command("train", config, *OVERRIDES, f"cache.dir={small_store}", cwd=folder)
        wandb.teardown()  # waits for the process that writes W&B's file
    assert result.returncode == 0, result.stderr
    return folder / "runs" / "tiny"


def test_tensorboard_and_wandb_have_the_metrics_of_metrics_jsonl(run_dir: Path) -> None:
    curves, wandb_curves = read_tensorboard(run_dir), read_wandb(run_dir)
    assert set(curves) == set(NAMES)
    assert_equal(curves, wandb_curves)
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    logged = {row["step"]: row["val/auroc"] for row in rows if row["kind"] == "val"}
    assert len(logged) >= 1
    assert wandb_curves["val/auroc"] == logged


def test_both_are_drawn_in_one_picture(run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "curves.png"
    main([str(run_dir), "--out", str(out)])
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "the same in both" in capsys.readouterr().out


def test_a_run_without_curves_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path)])
    assert f"{tmp_path / 'tb'}: validation metrics are missing" in capsys.readouterr().err


def test_values_that_differ_are_an_error() -> None:
    with pytest.raises(AssertionError, match="val/auroc"):
        assert_equal({"val/auroc": {8: 0.5}}, {"val/auroc": {8: 0.75}})
    with pytest.raises(AssertionError, match="steps"):
        assert_equal({"val/auroc": {8: 0.5}}, {"val/auroc": {9: 0.5}})
