"""The root of the command line: help, version, and errors as one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

import seizurekit


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "seizurekit", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_is_shown_when_asked_for_and_without_arguments(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.returncode == 0
    assert "Usage: seizurekit" in result.stdout


def test_the_version_is_shown() -> None:
    assert run("--version").stdout == f"seizurekit {seizurekit.__version__}\n"


@pytest.mark.parametrize("arguments", [("--colour",), ("trian",), ("inspect",), ("inspect", "a.edf", "--jason")])
def test_bad_usage_is_one_line_that_says_where_help_is(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("seizurekit: error: ")
    assert result.stderr.count("\n") == 1
    assert "--help" in result.stderr
