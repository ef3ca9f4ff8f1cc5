"""The root of the command line: the list of commands, and how errors become one line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from seizurekit.errors import SeizurekitError

app = typer.Typer(
    name="seizurekit",
    help="From clinical EEG recordings to a trained, scored seizure detector.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from seizurekit import __version__

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


def main() -> None:
    """Runs the command line; an error is one line on stderr, with its traceback only under ``--debug``."""
    try:
        app()
    except (SeizurekitError, OSError) as error:
        if "--debug" in sys.argv:
            raise
        message = " ".join(str(error).split())
        typer.echo(f"seizurekit: error: {message}", err=True)
        sys.exit(1)
