"""Event files, read back with TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seizurekit.training.telemetry.records import Ended, GpuLoad, Notice, Started, Trained, Validated
from seizurekit.training.telemetry.tensorboard import TensorboardSink

TRAINED = {
    *("train/loss", "train/lr", "train/grad_norm", "train/samples_per_s", "train/skipped"),
    *("time/wait_ms", "time/compute_ms", "gpu/utilisation", "gpu/memory_gb"),
}
VALIDATED = {"val/threshold", "val/seconds", "train/epoch_loss"}


def trained(step: int, loss: float = 0.0) -> Trained:
    return Trained(step, 1, loss or 1.0 / step, 1e-3, 2.0, 800.0, 1.0, 9.0, 0, GpuLoad(93.0, 11.5))


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()


def curve(folder: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(name)]


def test_every_metric_is_a_curve_over_the_steps(tmp_path: Path) -> None:
    sink = TensorboardSink(tmp_path / "tb")
    sink.write(Started("tiny", {"training": {"lr": 0.25}}, {"windows": 7}, 40))
    for step in (10, 20):
        sink.write(trained(step))
    sink.write(Validated(20, 1, {"auroc": 0.75, "sensitivity_at_10_fa": 0.5}, 0.25, 3.0, 0.5, True))
    sink.write(Notice("not for here"))
    sink.write(Ended(20, "finished"))
    sink.close()
    found = read(tmp_path / "tb")
    assert set(found.Tags()["scalars"]) == {*TRAINED, "val/auroc", "val/sensitivity_at_10_fa", *VALIDATED}
    np.testing.assert_allclose(curve(tmp_path / "tb", "train/loss"), [(10, 0.1), (20, 0.05)], rtol=1e-6)
    assert curve(tmp_path / "tb", "val/auroc") == [(20, 0.75)]
    text = found.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert '"lr": 0.25' in text


def test_after_a_resume_each_step_is_there_once(tmp_path: Path) -> None:
    first = TensorboardSink(tmp_path / "tb")
    for step in (10, 20, 30, 40):
        first.write(trained(step, loss=1.0))
    first.close()
    second = TensorboardSink(tmp_path / "tb", resumed_step=20)
    for step in (30, 40, 50):
        second.write(trained(step, loss=2.0))
    second.close()
    assert curve(tmp_path / "tb", "train/loss") == [(10, 1.0), (20, 1.0), (30, 2.0), (40, 2.0), (50, 2.0)]


def test_a_new_run_replaces_event_files_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "tb").mkdir()
    (tmp_path / "tb" / "notes.txt").write_text("mine")
    for loss in (1.0, 2.0):
        sink = TensorboardSink(tmp_path / "tb")
        sink.write(trained(10, loss))
        sink.close()
    assert curve(tmp_path / "tb", "train/loss") == [(10, 2.0)]
    assert (tmp_path / "tb" / "notes.txt").read_text() == "mine"
