"""`train` and `validate` with unusable input: one line on stderr, and no files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commands import run_command
from seizurekit.config import load_config
from seizurekit.training.run.compatibility import may_change

DEMO = Path(__file__).resolve().parents[3] / "configs" / "demo.yaml"


@pytest.mark.parametrize("command", ["validate", "train"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "nowhere.yaml: No such file or directory"),
        ([DEMO, "trainig.lr=1e-3"], "unknown key trainig; did you mean training?"),
        ([DEMO, "training.lrr=1e-3"], "unknown key training.lrr; did you mean training.lr?"),
        ([DEMO, "training.lr"], "expected section.key=value, e.g. training.lr=1e-3"),
        ([DEMO, "training.lr=fast"], "training.lr is 'fast', expected a number"),
        (
            [DEMO, "validation.metric=sensitivity_at_10fa"],
            "validation.metric is 'sensitivity_at_10fa', expected one of sensitivity_at_10_fa",
        ),
        ([DEMO, "training.device=cpu", "cache.dir=nowhere"], "nowhere: no such store; create one with build-cache"),
        ([DEMO, "training.device=cuda:99"], "training.device is cuda:99, which this machine does not have"),
    ],
)
def test_unusable_input_is_reported_in_one_line(
    command: str, arguments: list[object], message: str, tmp_path: Path
) -> None:
    assert message in run_command(command, *arguments, cwd=tmp_path).error_line()
    assert list(tmp_path.iterdir()) == []


def test_resume_and_overwrite_cannot_be_combined(tmp_path: Path) -> None:
    result = run_command("train", DEMO, "--resume", "--overwrite", cwd=tmp_path)
    assert "--resume: cannot be combined with --overwrite" in result.error_line(code=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["validate", "train"])
def test_sizes_of_the_model_that_do_not_fit_are_reported_before_anything_is_written(
    command: str, small_store: Path, tmp_path: Path
) -> None:
    arguments = (DEMO, f"cache.dir={small_store}", "training.device=cpu", "model.widths=[8,8,12]", "model.headdim=16")
    result = run_command(command, *arguments, cwd=tmp_path)
    assert "number of Mamba-2 channels is 2 x 12, expected a multiple of model.headdim 16" in result.error_line()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["validate", "train"])
def test_an_existing_training_is_neither_replaced_nor_resumed_without_an_option(
    command: str, small_store: Path, tmp_path: Path
) -> None:
    state = tmp_path / "runs" / "demo" / "checkpoints" / "step-000000008.safetensors"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"a state")
    result = run_command(command, DEMO, f"cache.dir={small_store}", "training.device=cpu", cwd=tmp_path)
    for word in ("runs/demo", "--resume", "--overwrite", "name="):
        assert word in result.error_line()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [state]


def test_the_example_in_the_help_overrides_only_keys_that_may_change_on_resume() -> None:
    words = " ".join(run_command("train", "--help").stdout.split())
    (example,) = re.findall(r"Example: seizurekit train configs/demo.yaml --resume ((?:\S+=\S+ ?)+)", words)
    overrides = example.split()
    load_config(DEMO, overrides)
    assert all(may_change(override.partition("=")[0]) for override in overrides)
