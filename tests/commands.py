"""Runs seizurekit's commands in the test process, which imports torch only once."""

from __future__ import annotations

import contextlib
import contextvars
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from seizurekit.cli.app import main


@dataclass(frozen=True)
class Result:
    """Exit code and output of a command."""

    returncode: int
    stdout: str
    stderr: str

    def error_line(self, code: int = 1) -> str:
        """The error that the command ended with: exit code `code`, and one line on stderr as the only output."""
        assert (self.returncode, self.stdout) == (code, ""), self.stderr
        (line,) = self.stderr.splitlines()
        assert line.startswith("seizurekit: error: ")
        return line


def run_command(*arguments: object, cwd: Path | None = None, **environment: str) -> Result:
    """Runs a command and returns its result; a warning is an exception, as in every test.

    Args:
        arguments: name and arguments of the command.
        cwd: its working directory.
        environment: environment variables to set.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", ["seizurekit", *map(str, arguments)]),
        mock.patch.object(warnings, "formatwarning", warnings.formatwarning),
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _log_to_stderr(),
        pytest.raises(SystemExit) as stopped,
    ):
        contextvars.copy_context().run(main)
    return Result(int(stopped.value.code or 0), out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Lets the command configure logging as in a new process, in place of pytest's handlers."""
    root, package = logging.getLogger(), logging.getLogger("seizurekit")
    level = package.level
    with mock.patch.object(root, "handlers", []):
        yield
    package.setLevel(level)
