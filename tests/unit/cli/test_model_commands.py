"""What `train` and `validate` say to input that they cannot use: one line, and nothing is left behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seizurekit.cli.app import main
from seizurekit.config import load_config
from seizurekit.training.run.compatibility import _MAY_CHANGE

DEMO = Path(__file__).resolve().parents[3] / "configs" / "demo.yaml"


@pytest.mark.parametrize("command", ["validate", "train"])
@pytest.mark.parametrize(
    ("arguments", "told"),
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
        ([DEMO, "training.device=cpu", "cache.dir=nowhere"], "nowhere: no such store; build-cache makes one"),
        ([DEMO, "training.device=cuda:99"], "training.device: found cuda:99, which this machine does not have"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(
    command: str,
    arguments: list[object],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in said(monkeypatch, capsys, command, *arguments, code=1)
    assert list(tmp_path.iterdir()) == []


def test_to_go_on_and_to_begin_anew_are_not_asked_for_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = said(monkeypatch, capsys, "train", DEMO, "--resume", "--overwrite", code=2)
    assert "--resume: found --overwrite with it, wanted one of the two" in line
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_is_there_is_neither_replaced_nor_gone_on_with_unasked(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "runs" / "demo" / "checkpoints" / "step-000000008.safetensors"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"a state")
    line = said(monkeypatch, capsys, "train", DEMO, f"cache.dir={small_store}", "training.device=cpu", code=1)
    for word in ("runs/demo", "--resume", "--overwrite", "name="):
        assert word in line
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [state]


def test_the_example_of_the_help_changes_only_what_may_change_on_resume(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["seizurekit", "train", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    words = " ".join(capsys.readouterr().out.split())
    (example,) = re.findall(r"Example: seizurekit train configs/demo.yaml --resume ((?:\S+=\S+ ?)+)", words)
    overrides = example.split()
    load_config(DEMO, overrides)
    assert all(override.startswith(_MAY_CHANGE) for override in overrides)


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object, code: int) -> str:
    """The one line that a command ends with."""
    monkeypatch.setattr("sys.argv", ["seizurekit", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("seizurekit: error: ")
    return line
