"""`seizurekit synth`: the table, what happens the second time, and bad usage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TINY = ("--train", "1", "--dev", "1", "--eval", "0", "--minutes", "1")


def synth(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seizurekit", "synth", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_table_counts_what_was_written_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    first = synth(tmp_path / "corpus", *TINY, "--seed", "2")
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    assert [line.split()[0] for line in first.stdout.splitlines()] == ["split", "train", "dev", "eval"]
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    train = next(line.split() for line in first.stdout.splitlines() if line.startswith("train"))
    assert int(train[2]) == len(list((tmp_path / "corpus" / "train").rglob("*.edf")))
    second = synth(tmp_path / "corpus", *TINY, "--seed", "2")
    assert second.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == files


def test_another_seed_in_the_same_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    assert synth(tmp_path / "corpus", *TINY, "--seed", "2").returncode == 0
    result = synth(tmp_path / "corpus", *TINY, "--seed", "3")
    assert result.returncode == 1
    assert result.stderr.startswith("seizurekit: error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("--minutes", "0"), ("--train", "-1"), ("--workers", "0"), ("--train", "0", "--broken", "1")]
)
def test_bad_options_are_answered_in_one_line_with_exit_code_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = synth(tmp_path / "corpus", *arguments)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "corpus").exists()
