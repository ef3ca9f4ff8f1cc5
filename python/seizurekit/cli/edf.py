"""Commands for one EDF file: `inspect` and `repair`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An EDF, EDF+, BDF or BDF+ file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with all annotations.")] = False,
) -> None:
    """Show header, channels, annotations and issues of a file.

    Issues are deviations from the specification that the reader handles in memory.

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
    source: Annotated[Path, typer.Argument(metavar="IN", help="The file to repair; never changed.")],
    destination: Annotated[Path, typer.Argument(metavar="OUT", help="The repaired copy.")],
) -> None:
    """Write a repaired copy of a malformed file.

    The copy has the same samples and annotations.

    Example: seizurekit repair recording.edf repaired.edf
    """
    from seizurekit import repair_edf
    from seizurekit.cli import edf_report

    edf_report.print_repairs(destination, repair_edf(source, destination))


def register(app: typer.Typer) -> None:
    """Adds the commands of this file to the command line."""
    app.command()(inspect)
    app.command()(repair)
