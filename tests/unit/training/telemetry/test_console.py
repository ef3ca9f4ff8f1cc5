"""Output of a run with and without a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import pairwise

import pytest

from seizurekit.config import Config
from seizurekit.training.telemetry.console import ConsoleSink
from seizurekit.training.telemetry.records import Ended, GpuLoad, Notice, Saved, Started, Trained, Validated


def trained(step: int, skipped: int = 0, gpu: GpuLoad | None = None) -> Trained:
    return Trained(step, 1, 0.4312, 1e-3, 2.0, 812.0, 0.1, 9.9, skipped, gpu)


def validated(best: bool = True, metrics: Mapping[str, float] | None = None) -> Validated:
    return Validated(20, 2, {"sensitivity_at_10_fa": 0.979, "auroc": 0.934, **(metrics or {})}, 0.4, 3.0, 0.5, best)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_plain_line_has_the_metrics_of_the_batches(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    sink = ConsoleSink(config, 4000)
    sink.write(trained(120, gpu=GpuLoad(93.0, 11.0)))
    sink.close()
    assert capsys.readouterr() == (
        "",
        "step 120 of 4000, epoch 1: loss 0.4312, lr 1.0e-03, 812 windows/s, waiting 1 %, GPU 93 %\n",
    )


@pytest.mark.parametrize("seconds", [0.5, 3.0, 12.0])
def test_a_plain_line_comes_every_ten_seconds_and_not_with_every_record(
    config: Config, capsys: pytest.CaptureFixture[str], seconds: float
) -> None:
    clock = Clock()
    sink = ConsoleSink(config, 4000, clock)
    output = []
    for step in range(100):
        clock.now = step * seconds
        sink.write(trained(step))
        if capsys.readouterr().err:
            output.append(clock.now)
    sink.close()
    gaps = [after - before for before, after in pairwise(output)]
    assert output[0] == 0.0
    assert max(gaps) <= max(10.0, seconds)
    assert min(gaps) >= min(10.0 - seconds, seconds)


def test_an_epochs_line_has_its_loss_and_its_scores(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    sink = ConsoleSink(config, 4000)
    sink.write(trained(10))
    capsys.readouterr()
    sink.write(validated())
    sink.write(validated(best=False))
    sink.close()
    scores = "dev: sensitivity 97.9 % at 10 false alarms in 24 h, AUROC 0.934"
    assert capsys.readouterr().err.splitlines() == [
        f"epoch 2 of 6: loss 0.5000; {scores}; best so far",
        f"epoch 2 of 6: loss 0.5000; {scores}",
    ]


def test_the_metric_that_chooses_the_best_epoch_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    validation = {"metric": "calibration_error", "false_alarm_rates": [2.5]}
    made = Config.model_validate({"name": "a", "cache": {"dir": "b"}, "validation": validation})
    sink = ConsoleSink(made, 10)
    sink.write(validated(metrics={"calibration_error": 0.0312, "sensitivity_at_2.5_fa": 0.25}))
    sink.close()
    output = capsys.readouterr().err
    assert "sensitivity 25.0 % at 2.5 false alarms in 24 h, AUROC 0.934, calibration error 0.0312" in output


def test_each_other_record_is_a_line(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    sink = ConsoleSink(config, 40)
    sink.write(Started("tiny", {}, {}, 40, resumed_step=12))
    sink.write(Notice("a line"))
    sink.write(Notice("a warning", warning=True))
    sink.write(Saved(20, "runs/tiny/state", 0.25))
    sink.write(Ended(21, "stopped by SIGTERM"))
    sink.close()
    assert capsys.readouterr().err.splitlines() == [
        "tiny: resuming after step 12 of 40",
        "a line",
        "seizurekit: warning: a warning",
        "saved runs/tiny/state after step 20 in 0.2 s",
        "stopped by SIGTERM after step 21 of 40",
    ]


def test_skipped_steps_are_counted(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    sink = ConsoleSink(config, 40)
    sink.write(trained(1, skipped=3))
    sink.close()
    assert capsys.readouterr().err.endswith(", 3 skipped\n")


@pytest.mark.parametrize("plain", ["0", "1"])
def test_a_terminal_has_a_bar_unless_it_is_disabled(
    config: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, plain: str
) -> None:
    monkeypatch.setenv("BGB_DISABLE_TQDM", plain)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    sink = ConsoleSink(config, 40)
    sink.write(trained(10))
    sink.write(Notice("a [line] in brackets"))
    sink.close()
    output = capsys.readouterr().err
    assert "a [line] in brackets" in output
    assert ("step 10 of 40, epoch 1" in output) == (plain == "1")
    assert ("10/40" in output) == (plain == "0")
