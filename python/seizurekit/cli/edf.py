"""Commands on one EDF file: `inspect` and `repair`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    file: Annotated[Path, typer.Argument(help="An EDF, EDF+, BDF or BDF+ file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object, with all annotations.")] = False,
) -> None:
    """Show a file's header, channels, rates, annotations, and what had to be mended to read it.

    Example: seizurekit inspect recording.edf
    """
    from seizurekit import open_edf
    from seizurekit.cli import edf_report

    with open_edf(file) as edf:
        if as_json:
            typer.echo(edf_report.as_json(edf))
        else:
            edf_report.print_recording(edf)


def repair(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The file to correct; it is not written.")],
    destination: Annotated[Path, typer.Argument(metavar="OUT", help="The corrected copy.")],
) -> None:
    """Write a corrected copy of a malformed file, with the same samples and annotations.

    Example: seizurekit repair recording.edf corrected.edf
    """
    from seizurekit import repair_edf
    from seizurekit.cli import edf_report

    edf_report.print_repairs(destination, repair_edf(source, destination))


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command()(inspect)
    app.command()(repair)
