"""The curves of a real run as TensorBoard's own reader and W&B's offline file give them back, and their picture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench.training_curves import NAMES, assert_equal, main, of_tensorboard, of_wandb

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
    """The folder of a run of two epochs, written to TensorBoard and, offline, to W&B."""
    folder = tmp_path_factory.mktemp("curves")
    own = {f"WANDB_{name}_DIR": str(folder / "own") for name in ("CONFIG", "CACHE", "DATA")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment |= {**own, "WANDB_ERROR_REPORTING": "false"}
    config = ROOT / "configs" / "demo.yaml"
    command = [sys.executable, "-m", "seizurekit", "train", config, *OVERRIDES, f"cache.dir={small_store}"]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder / "runs" / "tiny"


@pytest.mark.slow
def test_tensorboard_and_wandb_have_the_figures_of_metrics_jsonl(run_dir: Path) -> None:
    tensorboard, wandb = of_tensorboard(run_dir), of_wandb(run_dir)
    assert set(tensorboard) == set(NAMES)
    assert_equal(tensorboard, wandb)
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    told = {row["step"]: row["val/auroc"] for row in rows if row["kind"] == "val"}
    assert len(told) >= 1
    assert wandb["val/auroc"] == told


@pytest.mark.slow
def test_the_picture_is_drawn_of_both(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "curves.png"
    monkeypatch.setattr("sys.argv", ["training_curves", str(run_dir), "--out", str(out)])
    main()
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "the same in both" in capsys.readouterr().out


def test_values_that_differ_are_an_error() -> None:
    with pytest.raises(AssertionError, match="val/auroc"):
        assert_equal({"val/auroc": {8: 0.5}}, {"val/auroc": {8: 0.75}})
    with pytest.raises(AssertionError, match="steps"):
        assert_equal({"val/auroc": {8: 0.5}}, {"val/auroc": {9: 0.5}})
