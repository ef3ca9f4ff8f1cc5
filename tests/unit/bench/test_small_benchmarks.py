"""The benchmarks of start-up, opening, telemetry and the pipeline, in their smallest runs."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from bench import opening, startup, telemetry
from bench.pipeline import __main__ as pipeline

COMMANDS = (
    "compare",
    "edf.__main__",
    "kernels.__main__",
    "loader.__main__",
    "loop",
    "opening",
    "pipeline.__main__",
    "startup",
    "telemetry",
    "threads",
    "train",
)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_benchmark_has_help_an_example_and_the_output_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        importlib.import_module(f"bench.{name}").main(["--help"])
    output = capsys.readouterr().out
    assert "Example:" in output
    assert "--csv FILE" in output
    assert "--json" in output


def test_start_up_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert startup.main(["--rounds", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {row["contender"] for row in facts["measurements"]} == {startup.EMPTY, startup.IMPORT, startup.HELP}


def test_opening_is_timed_by_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opening.main(["--recordings", "20", "--rounds", "2", "--data", str(tmp_path), "--json"])
    facts = json.loads(capsys.readouterr().out)
    values = {row["contender"]: row["values"] for row in facts["measurements"]}
    assert set(values) == {"open", "windows", "balanced set", "all of it"}
    parts = [values[name] for name in ("open", "windows", "balanced set")]
    assert values["all of it"] == pytest.approx([sum(times) for times in zip(*parts, strict=True)])


def test_telemetry_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.main(["--calls", "3", "--csv", ""])
    output = capsys.readouterr().out
    assert "note_activity" in output
    assert "emit to console, metrics.jsonl, TensorBoard" in output


@pytest.mark.slow
def test_the_pipeline_reports_times_sizes_and_quality(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mne")
    assert pipeline.main(["--rates", "250", "--minutes", "2", "--recordings", "1", "--rounds", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {row["contender"] for row in facts["measurements"]} == {pipeline.OURS, pipeline.OLD}
    figures = {figure["name"]: figure["value"] for figure in facts["figures"]}
    assert figures["signal-to-noise ratio of the store"] > 60
    assert figures["size of the store, per hour of recording"] < figures["size of the old files, per hour of recording"]
