"""`synth`: the table, a second run, and bad usage."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import run_command

TINY = ("--train", "1", "--dev", "1", "--eval", "0", "--minutes", "1")


def test_the_table_counts_the_files_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    first = run_command("synth", tmp_path / "corpus", *TINY, "--seed", "2")
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    assert [line.split()[0] for line in first.stdout.splitlines()] == ["split", "train", "dev", "eval"]
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    train = next(line.split() for line in first.stdout.splitlines() if line.startswith("train"))
    assert int(train[2]) == len(list((tmp_path / "corpus" / "train").rglob("*.edf")))
    second = run_command("synth", tmp_path / "corpus", *TINY, "--seed", "2")
    assert second.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == files


def test_another_seed_in_the_same_folder_is_refused_with_one_line(tmp_path: Path) -> None:
    assert run_command("synth", tmp_path / "corpus", *TINY, "--seed", "2").returncode == 0
    run_command("synth", tmp_path / "corpus", *TINY, "--seed", "3").error_line()


@pytest.mark.parametrize(
    "arguments", [("--minutes", "0"), ("--train", "-1"), ("--workers", "0"), ("--train", "0", "--broken", "1")]
)
def test_bad_options_are_refused_with_one_line_and_exit_code_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    run_command("synth", tmp_path / "corpus", *arguments).error_line(code=2)
    assert not (tmp_path / "corpus").exists()
