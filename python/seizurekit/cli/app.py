"""The root of the command line: registers the commands and turns an error into one line and an exit code."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from contextvars import ContextVar
from typing import Annotated, Any, NoReturn

import typer

from seizurekit import settings
from seizurekit.cli import cache, copy, edf, model, selftest, synth
from seizurekit.errors import SeizurekitError, TrainingStoppedError, install_hint

# Some releases of typer contain a copy of click, others import click; this base class is the right one in both.
UsageError: Any = typer.BadParameter.__base__

_debug = ContextVar("debug", default=False)

app = typer.Typer(
    name="seizurekit",
    help="From clinical EEG recordings to a trained, scored seizure detector.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(requested: bool) -> None:
    if requested:
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
    """Options that come before the command's name."""
    _debug.set(debug)


edf.register(app)
cache.register(app)
copy.register(app)
model.register(app)
selftest.register(app)
synth.register(app)


def main() -> None:
    """Runs the command line. An error is one line on stderr, after its traceback if ``--debug`` is given."""
    settings.shorten_openmp_spinning()
    _configure_messages()
    try:
        code = app(args=sys.argv[1:] or ["--help"], prog_name="seizurekit", standalone_mode=False)
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "seizurekit"
        _fail(f"{error.format_message().rstrip('.')}; see '{command} --help'", code=2)
    except TrainingStoppedError as stopped:
        typer.echo(f"seizurekit: {stopped}", err=True)
        sys.exit(stopped.exit_code)
    except (SeizurekitError, OSError) as error:
        _fail(_message(error), code=getattr(error, "exit_code", 1))
    except ModuleNotFoundError as error:
        hint = install_hint(error.name)
        if hint is None:
            raise
        _fail(hint, code=1)
    sys.exit(code if isinstance(code, int) else 0)


def _configure_messages() -> None:
    """Sends warnings and the package's log messages to stderr, one line each."""
    warnings.formatwarning = lambda message, *_: f"seizurekit: warning: {message}\n"
    logging.basicConfig(format="%(message)s")
    logging.getLogger("seizurekit").setLevel(logging.INFO)


def _message(error: SeizurekitError | OSError) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _fail(message: str, code: int) -> NoReturn:
    if _debug.get():
        traceback.print_exc()
    typer.echo(f"seizurekit: error: {' '.join(message.split())}", err=True)
    sys.exit(code)
