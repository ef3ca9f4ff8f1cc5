"""The root of the command line: the list of commands, and how errors become one line and an exit code."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer

from seizurekit.cli import cache, copy, edf, model, selftest, synth
from seizurekit.errors import SeizurekitError, TrainingStoppedError

# Typer carries its own copy of click in some releases and imports click in others; this base is the right one in both.
UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="seizurekit",
    help="From clinical EEG recordings to a trained, scored seizure detector.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from seizurekit.version import __version__

        typer.echo(f"seizurekit {__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options before the command's name."""


edf.register(app)
cache.register(app)
copy.register(app)
model.register(app)
selftest.register(app)
synth.register(app)


def main() -> None:
    """Runs the command line; an error is one line on stderr, with its traceback only under ``--debug``."""
    _say_in_one_line()
    try:
        code = app(args=sys.argv[1:] or ["--help"], prog_name="seizurekit", standalone_mode=False)
    except UsageError as error:
        place = error.ctx.command_path if error.ctx else "seizurekit"
        _fail(f"{error.format_message().rstrip('.')}; see '{place} --help'", code=2)
    except TrainingStoppedError as stopped:
        typer.echo(f"seizurekit: {stopped}", err=True)
        sys.exit(stopped.exit_code)
    except (SeizurekitError, OSError) as error:
        if "--debug" in sys.argv:
            raise
        _fail(_told(error), code=getattr(error, "exit_code", 1))
    sys.exit(code if isinstance(code, int) else 0)


def _say_in_one_line() -> None:
    """Warnings and what the package logs go to stderr, a line each."""
    warnings.formatwarning = lambda message, *_: f"seizurekit: warning: {message}\n"
    logging.basicConfig(format="%(message)s")
    logging.getLogger("seizurekit").setLevel(logging.INFO)


def _told(error: SeizurekitError | OSError) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"seizurekit: error: {' '.join(message.split())}", err=True)
    sys.exit(code)
