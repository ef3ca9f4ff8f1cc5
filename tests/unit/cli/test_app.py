"""The root of the command line: help, version, one-line errors, and settings for torch's threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import seizurekit
from commands import run_command


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_is_shown_on_request_and_without_arguments(arguments: tuple[str, ...]) -> None:
    result = run_command(*arguments)
    assert result.returncode == 0
    assert "Usage: seizurekit" in result.stdout


def test_the_version_is_shown() -> None:
    assert run_command("--version").stdout == f"seizurekit {seizurekit.__version__}\n"


@pytest.mark.parametrize("arguments", [("--colour",), ("learn",), ("inspect",), ("inspect", "a.edf", "--jason")])
def test_bad_usage_is_one_line_that_names_the_help_option(arguments: tuple[str, ...]) -> None:
    assert "--help" in run_command(*arguments).error_line(code=2)


def test_a_new_process_prints_the_same_and_ends_with_the_same_exit_code() -> None:
    command = [sys.executable, "-m", "seizurekit", "inspect", "nowhere.edf"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "seizurekit: error: nowhere.edf: No such file or directory\n"
    assert result.stderr == run_command("inspect", "nowhere.edf").stderr


def test_debug_adds_the_traceback_and_keeps_the_line_and_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "a.edf").write_bytes(b"")
    brief = run_command("inspect", tmp_path / "a.edf")
    full = run_command("--debug", "inspect", tmp_path / "a.edf")
    assert full.returncode == brief.returncode == 1
    assert full.stderr.startswith("Traceback (most recent call last):")
    assert full.stderr.endswith(brief.error_line() + "\n")


@pytest.mark.parametrize(
    ("variables", "spin_count"),
    [({}, "20000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_openmp_threads_spin_briefly_unless_the_user_chose_otherwise(
    variables: dict[str, str], spin_count: str | None
) -> None:
    code = "import os, sys; from seizurekit.cli.app import app, main; sys.argv = ['seizurekit', '--version']\n"
    code += "try: main()\nfinally: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", *variables)}
    result = subprocess.run([sys.executable, "-c", code], env=environment | variables, capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == f"{spin_count} False"
