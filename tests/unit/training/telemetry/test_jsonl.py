"""`metrics.jsonl`: complete lines, each step once, also after a killed run."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from seizurekit.json_files import without_nan
from seizurekit.training.telemetry import jsonl
from seizurekit.training.telemetry.jsonl import JsonlSink
from seizurekit.training.telemetry.records import Ended, GpuLoad, Notice, Saved, Started, Trained, Validated


def trained(step: int, loss: float = 0.5) -> Trained:
    return Trained(step, 1, loss, 1e-3, 2.0, 800.0, 1.0, 9.0, 0, GpuLoad(93.0, 11.5))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_record_is_a_line_with_its_kind_its_step_and_the_time(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "metrics.jsonl"
    sink = JsonlSink(path)
    records = (
        Started("tiny", {"seed": 1}, {"windows": 7}, 40),
        trained(10),
        Validated(20, 1, {"auroc": 0.9, "sensitivity_at_10_fa": 0.5}, 0.4, 3.0, 0.5, True),
        Notice("look", warning=True),
        Saved(20, "state", 0.5),
        Ended(21, "stopped by SIGTERM"),
    )
    for record in records:
        sink.write(record)
    sink.close()
    found = lines(path)
    assert [line["kind"] for line in found] == ["started", "train", "val", "notice", "saved", "ended"]
    assert [line["step"] for line in found] == [0, 10, 20, 20, 20, 21]
    assert all(line["time"] > 1.7e9 for line in found)
    assert found[0]["config"] == {"seed": 1}
    assert found[1]["train/loss"] == 0.5
    assert (found[1]["gpu/utilisation"], found[1]["gpu/memory_gb"]) == (93.0, 11.5)
    assert (found[2]["val/auroc"], found[2]["val/threshold"], found[2]["best"]) == (0.9, 0.4, True)
    assert (found[3]["text"], found[3]["warning"]) == ("look", True)
    assert found[5]["reason"] == "stopped by SIGTERM"


def test_nan_is_null(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "m")
    sink.write(trained(1, math.nan))
    sink.close()
    assert lines(tmp_path / "m")[0]["train/loss"] is None
    assert without_nan({"a": [math.inf, 1.0, (math.nan,)]}) == {"a": [None, 1.0, [None]]}


def test_a_line_is_in_the_file_before_the_next_record(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "m")
    sink.write(trained(1))
    assert len(lines(tmp_path / "m")) == 1
    sink.close()


def test_a_new_run_replaces_the_file(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("old\n")
    sink = JsonlSink(tmp_path / "m")
    sink.write(trained(1))
    sink.close()
    assert len(lines(tmp_path / "m")) == 1


@pytest.mark.parametrize("torn", [b"", b'{"kind": "train", "st'])
def test_a_resumed_run_removes_what_was_written_after_its_training_state(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "m"
    first = JsonlSink(path)
    first.write(trained(1))
    first.write(trained(2))
    kept = first.bytes
    first.write(trained(3))
    first.close()
    path.write_bytes(path.read_bytes() + torn)
    second = JsonlSink(path, keep=kept)
    assert second.cut() is None
    second.write(trained(3))
    second.close()
    assert [line["step"] for line in lines(path)] == [1, 2, 3]


@pytest.mark.parametrize("left", ["half a line", "a line", "nothing"])
def test_a_file_shorter_than_expected_continues_after_its_complete_lines(tmp_path: Path, left: str) -> None:
    path = tmp_path / "m"
    first = JsonlSink(path)
    first.write(trained(1))
    one = first.bytes
    first.write(trained(2))
    first.close()
    if left == "nothing":
        path.unlink()
    else:
        os.truncate(path, one + (9 if left == "half a line" else 0))
    second = JsonlSink(path, keep=first.bytes)
    warning = second.cut()
    assert warning is not None
    assert f"expected at least {first.bytes} as when" in warning
    second.write(trained(3))
    second.close()
    assert [line["step"] for line in lines(path)] == ([3] if left == "nothing" else [1, 3])


def test_lines_longer_than_a_block_are_cut_at_their_ends(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"first\n" + b"x" * 200_000)
    sink = JsonlSink(path, keep=200_006)
    sink.cut()
    sink.close()
    assert path.read_bytes() == b"first\n"


def test_lines_that_did_not_fit_on_a_full_disk_are_written_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, really = tmp_path / "m", os.write
    sink = JsonlSink(path)
    sink.write(trained(1))
    monkeypatch.setattr(os, "write", lambda file, content: really(file, content[:20]))
    for step in (2, 3):
        with pytest.raises(OSError, match="wrote 20 of"):
            sink.write(trained(step))
        assert [line["step"] for line in lines(path)] == [1]
    monkeypatch.setattr(os, "write", really)
    sink.write(trained(4))
    sink.close()
    assert [line["step"] for line in lines(path)] == [1, 2, 3, 4]


def test_the_lines_that_wait_for_a_full_disk_are_bounded_and_dropped_ones_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.write
    monkeypatch.setattr(jsonl, "_MAX_WAITING", 2)
    monkeypatch.setattr(os, "write", lambda *_: 0)
    sink = JsonlSink(tmp_path / "m")
    for step in (1, 2, 3):
        with pytest.raises(OSError, match="wrote 0 of"):
            sink.write(trained(step))
    monkeypatch.setattr(os, "write", really)
    sink.write(trained(4))
    sink.close()
    found = lines(tmp_path / "m")
    assert [line["kind"] for line in found] == ["train", "train", "notice"]
    assert found[2]["text"].startswith("2 earlier records")
