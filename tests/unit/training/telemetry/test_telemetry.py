"""Every record reaches every sink, and no sink can stop a run."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seizurekit.config import Config
from seizurekit.training.telemetry import telemetry
from seizurekit.training.telemetry.records import Ended, Record, Started, Trained, Validated
from seizurekit.training.telemetry.telemetry import Telemetry


def trained(step: int, loss: float = 0.5) -> Trained:
    return Trained(step, 1, loss, 1e-3, 2.0, 800.0, 1.0, 9.0)


def lines(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def losses(run_dir: Path) -> dict[str, list[tuple[int, float]]]:
    """The loss curve as each sink has it."""
    events = EventAccumulator(str(run_dir / "tb")).Reload().Scalars("train/loss")
    return {
        "jsonl": [(line["step"], line["train/loss"]) for line in lines(run_dir) if line["kind"] == "train"],
        "tensorboard": [(event.step, event.value) for event in events],
    }


def test_every_sink_has_all_records_of_a_run(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Telemetry.open(tmp_path, config, 40) as run:
        run.emit(Started("tiny", config.model_dump(mode="json"), {"windows": 7}, 40))
        run.emit(trained(10))
        run.emit(Validated(20, 1, {"sensitivity_at_10_fa": 0.5, "auroc": 0.75}, 0.4, 3.0, 0.5, True))
        run.log("a line")
        run.warn("a warning")
        run.emit(Ended(40, "finished"))
        assert run.url is None
    output = capsys.readouterr().err
    for part in ("step 10 of 40", "AUROC 0.750", "a line", "warning: a warning", "finished after step 40"):
        assert part in output
    assert [line["kind"] for line in lines(tmp_path)] == ["started", "train", "val", "notice", "notice", "ended"]
    assert losses(tmp_path) == {"jsonl": [(10, 0.5)], "tensorboard": [(10, 0.5)]}


def test_a_resumed_run_has_each_step_once_in_every_sink(config: Config, tmp_path: Path) -> None:
    with Telemetry.open(tmp_path, config, 50) as run:
        for step in (10, 20):
            run.emit(trained(step, loss=1.0))
        state = json.loads(json.dumps(run.state()))
        for step in (30, 40):
            run.emit(trained(step, loss=1.0))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "tra')
    with Telemetry.open(tmp_path, config, 50, resumed=state) as run:
        for step in (30, 40, 50):
            run.emit(trained(step, loss=2.0))
    expected = [(10, 1.0), (20, 1.0), (30, 2.0), (40, 2.0), (50, 2.0)]
    assert losses(tmp_path) == {"jsonl": expected, "tensorboard": expected}


def test_a_resumed_run_whose_file_is_missing_warns(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Telemetry.open(tmp_path, config, 50, resumed={"step": 20, "jsonl_bytes": 99, "wandb_run": None}):
        pass
    assert "size is 0 bytes, expected at least 99" in capsys.readouterr().err
    assert lines(tmp_path)[0]["kind"] == "notice"


def test_ranks_other_than_rank_0_write_and_show_nothing(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Telemetry.open(tmp_path, config, 40, enabled=False) as run:
        run.emit(trained(10))
        run.warn("a warning")
        run.note_activity("training")
        assert run.state() == {"step": 0, "jsonl_bytes": 0, "wandb_run": None}
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


class Broken:
    """A sink that fails in the method `where`."""

    name = "a broken sink"
    retries = False

    where = ""

    def __init__(self, *_: object) -> None:
        if self.where == "open":
            raise RuntimeError("no room\nfor it")

    def write(self, record: Record) -> None:
        if self.where == "write":
            raise RuntimeError("no room\nfor it")

    def close(self) -> None:
        if self.where == "close":
            raise RuntimeError("no room\nfor it")


@pytest.mark.parametrize("where", ["open", "write", "close"])
def test_a_sink_that_fails_is_named_once_and_the_others_continue(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(Broken, "where", where)
    monkeypatch.setattr(telemetry, "TensorboardSink", Broken)
    with Telemetry.open(tmp_path, config, 40) as run:
        for step in (10, 20):
            run.emit(trained(step))
    output = capsys.readouterr().err
    assert output.count("seizurekit: warning: a broken sink: RuntimeError: no room for it") == 1
    assert [line["step"] for line in lines(tmp_path) if line["kind"] == "train"] == [10, 20]
    assert [line["warning"] for line in lines(tmp_path) if line["kind"] == "notice"] == [True]


def test_a_run_continues_without_tensorboard(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with Telemetry.open(tmp_path, config, 40) as run:
        run.emit(trained(10))
    assert capsys.readouterr().err.count("TensorBoard: ") == 1
    assert not (tmp_path / "tb").exists()


def test_tensorboard_can_be_disabled(tmp_path: Path) -> None:
    made = Config.model_validate({"name": "a", "cache": {"dir": "b"}, "telemetry": {"tensorboard": False}})
    with Telemetry.open(tmp_path, made, 40) as run:
        run.emit(trained(10))
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_full_disk_is_reported_once_and_the_records_are_written_when_there_is_space(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.write

    def refuse(file: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Telemetry.open(tmp_path, config, 40) as run:
        monkeypatch.setattr(os, "write", refuse)
        for step in (1, 2, 3):
            run.emit(trained(step))
        monkeypatch.setattr(os, "write", really)
        run.emit(trained(4))
    output = capsys.readouterr().err
    assert output.count("metrics.jsonl: [Errno 28] No space left on device; trying again with each record") == 1
    assert output.count("metrics.jsonl: recovered") == 1
    assert [line["step"] for line in lines(tmp_path) if line["kind"] == "train"] == [1, 2, 3, 4]


def test_a_folder_that_cannot_be_made_does_not_stop_a_run(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("a file")
    with Telemetry.open(tmp_path / "runs", config, 40) as run:
        run.emit(trained(10))
        assert run.state()["jsonl_bytes"] == 0
    output = capsys.readouterr().err
    assert output.count("warning: metrics.jsonl: ") == 2  # when it is opened, and at the end since nothing was written
    assert output.count("warning: TensorBoard: ") == 1
    assert "step 10 of 40" in output


def test_an_error_of_the_training_is_the_reason_of_the_end(config: Config, tmp_path: Path) -> None:
    def run_into_an_error() -> None:
        with Telemetry.open(tmp_path, config, 40) as run:
            run.emit(trained(10))
            raise ZeroDivisionError("by nothing")

    with pytest.raises(ZeroDivisionError):
        run_into_an_error()
    assert lines(tmp_path)[-1]["kind"] == "ended"
    assert lines(tmp_path)[-1]["reason"] == "ZeroDivisionError: by nothing"


def test_the_heartbeat_ends_a_silence(tmp_path: Path) -> None:
    made = Config.model_validate(
        {"name": "a", "cache": {"dir": "b"}, "telemetry": {"heartbeat_minutes": 0.02 / 60, "tensorboard": False}}
    )
    with Telemetry.open(tmp_path, made, 40) as run:
        run.emit(trained(10))
        run.note_activity("validating, recording 4 of 9")
        deadline = time.monotonic() + 10
        while len(lines(tmp_path)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    output = [line["text"] for line in lines(tmp_path) if line["kind"] == "notice"]
    assert output[0].startswith("still running: validating, recording 4 of 9 (")
    assert output[0].endswith("; step 10 of 40")


def test_the_heartbeat_of_a_command_imports_neither_torch_nor_wandb() -> None:
    code = "import sys, seizurekit.heartbeat; sys.exit(bool({'torch', 'wandb'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_telemetry_imports_wandb_only_where_it_is_used() -> None:
    code = "import sys, seizurekit.training.telemetry.telemetry; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
