"""A run at W&B: written offline and read back, resumed with the same id, and never in the way of the training."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import wandb
from bench.wandb_file import history_rows, offline_runs, wait_for_records

from seizurekit.config import Config
from seizurekit.training.telemetry import wandb_run
from seizurekit.training.telemetry.records import Ended, Started, Trained, Validated
from seizurekit.training.telemetry.telemetry import Telemetry
from seizurekit.training.telemetry.wandb_check import WandbPlan
from seizurekit.training.telemetry.wandb_run import WandbSink

OFFLINE = WandbPlan("offline", "eeg", None, "W&B: a note of the plan")


def trained(step: int, loss: float = 0.5) -> Trained:
    return Trained(step, 1, loss, 1e-3, 2.0, 800.0, 1.0, 9.0)


def written(run_dir: Path) -> tuple[Path, list[Any]]:
    newest = offline_runs(run_dir)[-1]
    return newest, wait_for_records(newest)


def test_an_offline_run_is_read_back_with_its_values(
    config: Config, own_wandb: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Telemetry.open(tmp_path, config, 40, wandb=OFFLINE) as run:
        run.emit(Started("tiny", {}, {"windows": 7}, 40))
        run.emit(trained(10))
        run.emit(trained(20, loss=0.25))
        run.emit(Validated(20, 1, {"auroc": 0.75}, 0.4, 3.0, 0.5, True))
        run.emit(Ended(20, "finished"))
        assert run.url is None
    folder, found = written(tmp_path)
    rows = history_rows(found)
    assert [(row["step"], row.get("train/loss"), row.get("val/auroc")) for row in rows] == [
        (10, 0.5, None),
        (20, 0.25, None),
        (20, None, 0.75),
    ]
    defined = [record.metric for record in found if record.WhichOneof("record_type") == "metric"]
    assert any(metric.glob_name == "*" and metric.step_metric == "step" for metric in defined)
    (started,) = [record.run for record in found if record.WhichOneof("record_type") == "run"]
    assert (started.project, started.display_name) == ("eeg", "tiny")
    output = capfd.readouterr()
    assert output.err.splitlines()[-1] == f"W&B: the run is in {folder}; send it with: wandb sync {folder}"
    assert output.err.count("W&B: a note of the plan") == 1
    assert "wandb:" not in output.err + output.out


def test_a_resumed_run_continues_the_same_run(config: Config, own_wandb: None, tmp_path: Path) -> None:
    with Telemetry.open(tmp_path, config, 40, wandb=OFFLINE) as run:
        run.emit(trained(10))
        state = run.state()
        run.emit(trained(20))
    assert state["wandb_run"]
    with Telemetry.open(tmp_path, config, 40, resumed=state, wandb=OFFLINE) as run:
        run.emit(trained(20))
        assert run.state()["wandb_run"] == state["wandb_run"]
    assert [row["step"] for row in history_rows(written(tmp_path)[1])] == [20]


class FakeRun:
    """A run of a W&B that blocks or fails on request."""

    def __init__(self, url: str = "https://wandb.test/run") -> None:
        self.id, self.url = "abc", url
        self.settings = type("Settings", (), {"_offline": False, "sync_dir": "/runs/wandb/run-abc"})()
        self.config: dict[str, Any] = {}
        self.blocked = threading.Event()
        self.blocked.set()
        self.rows: list[Any] = []
        self.error: Exception | None = None
        self.exit_code: int | None = None

    def define_metric(self, *arguments: Any, **values: Any) -> None:
        pass

    def log(self, values: dict[str, Any]) -> None:
        self.blocked.wait()
        if self.error:
            raise self.error
        self.rows.append(values)

    def finish(self, exit_code: int) -> None:
        self.blocked.wait()
        self.exit_code = exit_code


@pytest.fixture
def fake_run(monkeypatch: pytest.MonkeyPatch, own_wandb: None) -> FakeRun:
    run = FakeRun()
    monkeypatch.setattr(wandb, "init", lambda **_: run)
    return run


ONLINE = WandbPlan("online", "eeg", "ada")


@pytest.mark.parametrize(
    ("ended", "code"),
    [(Ended(40, "no better loss in 8 epochs"), 0), (Ended(40, "stopped by SIGTERM", complete=False), 1)],
)
def test_the_url_is_shown_at_the_start_and_at_the_end(
    config: Config, fake_run: FakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], ended: Ended, code: int
) -> None:
    with Telemetry.open(tmp_path, config, 40, wandb=ONLINE) as run:
        assert run.url == "https://wandb.test/run"
        run.emit(ended)
    output = capsys.readouterr().err.splitlines()
    assert output[0] == output[-1] == "W&B: https://wandb.test/run"
    assert fake_run.exit_code == code


def test_a_wandb_that_blocks_delays_neither_the_training_nor_its_end(
    config: Config, fake_run: FakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb_run, "_MARGIN_S", 0.0)
    fake_run.blocked.clear()
    output: list[str] = []
    sink = WandbSink(ONLINE, config, tmp_path, None, output.append, finish_s=0.05)
    for step in range(1100):
        sink.write(trained(step))
    sink._thread.join(0)
    assert sink._dropped >= 99
    sink.close()
    fake_run.blocked.set()
    assert [line for line in output if "too slow" in line] == output[1:2]
    assert output[-1].endswith("send it with: wandb sync /runs/wandb/run-abc")


def test_a_finish_that_takes_too_long_is_abandoned_with_a_line_on_how_to_send_the_rest(
    config: Config, fake_run: FakeRun, tmp_path: Path
) -> None:
    output: list[str] = []
    sink = WandbSink(ONLINE, config, tmp_path, None, output.append)
    fake_run.error = TimeoutError("Timed out finishing run.")
    sink.write(trained(1))
    sink.close()
    assert "did not receive the whole run within 60 s; send it with: wandb sync /runs/wandb/run-abc" in output[-1]


def test_an_error_of_wandb_is_reported_once_and_the_training_continues(
    config: Config, fake_run: FakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_run.error = ValueError("out of order")
    with Telemetry.open(tmp_path, config, 40, wandb=ONLINE) as run:
        run.emit(trained(1))
        assert run._wandb is not None
        run._wandb._thread.join(10)
        run.emit(trained(2))
        run.emit(trained(3))
    assert capsys.readouterr().err.count("W&B: ValueError: out of order; continuing without it") == 1
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {1, 2, 3} <= set(steps)


def test_a_server_that_disappears_between_check_and_start_makes_the_run_offline(
    config: Config, own_wandb: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = wandb.init

    def init(**values: Any) -> Any:
        if values["mode"] == "online":
            raise wandb.errors.CommError("Run initialization has timed out")
        return really(**values)

    monkeypatch.setattr(wandb, "init", init)
    output: list[str] = []
    sink = WandbSink(ONLINE, config, tmp_path, None, output.append)
    sink.write(trained(10))
    sink.close()
    assert output[0] == (
        "W&B: Run initialization has timed out; the run is written offline, and the last line shows how to send it"
    )
    assert "wandb sync" in output[-1]
    assert [row["step"] for row in history_rows(written(tmp_path)[1])] == [10]


def test_a_run_continues_without_a_wandb_that_cannot_start(
    config: Config, own_wandb: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with Telemetry.open(tmp_path, config, 40, wandb=OFFLINE) as run:
        run.emit(trained(1))
        assert run.state()["wandb_run"] is None
    assert capsys.readouterr().err.count("warning: W&B: ") == 1
