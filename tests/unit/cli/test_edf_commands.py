"""`inspect` and `repair`: output and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import edfio
import numpy as np
import pytest

import seizurekit as sk
from commands import run_command


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Three channels of two rates, 25 annotations, a time with colons, and a label that looks like markup."""
    signals = [
        edfio.EdfSignal(np.sin(np.arange(300.0)), 100, label="EEG CZ-REF", physical_dimension="uV"),
        edfio.EdfSignal(np.cos(np.arange(300.0)), 100, label="[red]A1[/red]", prefiltering="HP:0.5Hz LP:70Hz"),
        edfio.EdfSignal(np.arange(3.0), 1, label="IBI"),
    ]
    annotations = [edfio.EdfAnnotation(i / 10, None if i else 0.5, f"event {i}") for i in range(25)]
    data = edfio.Edf(signals, annotations=annotations).to_bytes()
    path = tmp_path / "recording.edf"
    path.write_bytes(data[:176] + b"01:02:03" + data[184:])
    return path


@pytest.mark.parametrize("columns", [80, 120])
def test_inspect_shows_header_channels_rates_annotations_and_issues_within_the_width(
    recording: Path, columns: int
) -> None:
    result = run_command("inspect", recording, COLUMNS=str(columns))
    assert result.returncode == 0, result.stderr
    for words in (
        "100 Hz (2 channels), 1 Hz (1 channel)",
        "3 s (0:00:03)",
        "3 channels",
        "EEG CZ-REF",
        "[red]A1[/red]",
        "HP:0.5Hz",
        "25 annotations",
        "event 0",
        "5 more",
        "1 issue",
        "'01:02:03'",
    ):
        assert words in result.stdout
    assert "event 24" not in result.stdout
    assert all(len(line) <= columns for line in result.stdout.splitlines() if str(recording) not in line)
    assert "\x1b" not in result.stdout


def test_inspect_as_json_has_all_that_the_reader_returns(recording: Path) -> None:
    facts = json.loads(run_command("inspect", recording, "--json").stdout)
    edf = sk.open_edf(recording)
    assert facts["duration"] == edf.duration == 3.0
    assert [channel["label"] for channel in facts["channels"]] == ["EEG CZ-REF", "[red]A1[/red]", "IBI"]
    assert [channel["sampling_rate"] for channel in facts["channels"]] == [100, 100, 1]
    assert len(facts["annotations"]) == 25
    assert facts["annotations"][0] == {"onset": 0.0, "duration": 0.5, "text": "event 0"}
    (issue,) = facts["issues"]
    assert issue["byte_offset"] == 176
    assert issue["found"] == "'01:02:03'"


def test_inspect_of_every_real_file_gives_one_json_object_and_a_table(shared_data: Path) -> None:
    files = [*sorted((shared_data / "edf").iterdir())[:4], next((shared_data / "tusz").rglob("*.edf"))]
    for file in files:
        assert len(json.loads(run_command("inspect", file, "--json").stdout)["channels"]) == len(
            sk.open_edf(file).channels
        )
        result = run_command("inspect", file)
        assert (result.returncode, result.stderr) == (0, "")


def test_control_characters_in_a_file_do_not_reach_the_terminal(tmp_path: Path) -> None:
    data = edfio.Edf(
        [edfio.EdfSignal(np.arange(10.0), 10, label="X")], annotations=[edfio.EdfAnnotation(0, None, "red#[31m")]
    ).to_bytes()
    path = tmp_path / "escape.edf"
    path.write_bytes(data.replace(b"red#[31m", b"red\x1b[31m"))
    result = run_command("inspect", path)
    assert "red\\x1b[31m" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(300), b"0       "])
def test_inspect_and_repair_of_a_file_that_is_not_an_edf_file_are_one_line_and_exit_code_1(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "not.edf"
    path.write_bytes(content)
    for arguments in (("inspect", path), ("inspect", path, "--json"), ("repair", path, tmp_path / "out.edf")):
        assert run_command(*arguments).error_line().startswith(f"seizurekit: error: {path}: ")
    assert not (tmp_path / "out.edf").exists()


def test_repair_lists_its_repairs_and_the_copy_has_no_issues(recording: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.edf"
    result = run_command("repair", recording, copy)
    assert result.returncode == 0, result.stderr
    assert "'01:02:03'" in result.stdout
    assert "'01.02.03'" in result.stdout
    assert f"{copy}: 1 repair" in result.stdout
    assert list(sk.open_edf(copy).issues) == []


def test_repair_of_a_correct_file_reports_nothing_to_repair(recording: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.edf", tmp_path / "second.edf"
    run_command("repair", recording, first)
    assert "nothing to repair" in run_command("repair", first, second).stdout
    assert first.read_bytes() == second.read_bytes()


def test_repair_refuses_to_write_over_its_source(recording: Path) -> None:
    before = recording.read_bytes()
    assert "the source file itself" in run_command("repair", recording, recording).error_line()
    assert recording.read_bytes() == before
