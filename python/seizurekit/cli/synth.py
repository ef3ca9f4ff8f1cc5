"""`synth`: writes a synthetic corpus."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seizurekit.settings import plain_progress

if TYPE_CHECKING:
    from seizurekit.recordings.synthetic import SplitSummary


def synth(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="Folder to write: new, empty, or an incomplete corpus with the same options."
        ),
    ],
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same seed and options give the same files.")] = 0,
    train: Annotated[int, typer.Option(min=0, help="Number of patients in split train.")] = 40,
    dev: Annotated[int, typer.Option(min=0, help="Number of patients in split dev.")] = 15,
    evaluation: Annotated[int, typer.Option("--eval", min=0, help="Number of patients in split eval.")] = 6,
    minutes: Annotated[float, typer.Option(min=1, max=1440, help="Mean minutes of EEG per patient.")] = 10.0,
    broken: Annotated[int, typer.Option(min=0, help="Number of damaged recordings to add to split train.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of threads; default: one per processor.")] = None,
) -> None:
    """Write a synthetic corpus of EEG with seizures.

    The corpus has TUSZ's layout. Some files are malformed like files of public corpora; OUT/synthetic.json lists them.

    Example: seizurekit synth data/synthetic --seed 1 --minutes 10
    """
    if broken and not train:
        raise typer.BadParameter("unreadable files are added to split train, which has no patients; set --train")
    from rich.console import Console
    from rich.progress import Progress

    from seizurekit.recordings.synthetic import write_synthetic_corpus

    show = sys.stderr.isatty() and not plain_progress()
    with Progress(console=Console(stderr=True), disable=not show, transient=True) as bar:
        task = bar.add_task("recordings", total=None)
        summaries = write_synthetic_corpus(
            out,
            seed=seed,
            train_patients=train,
            dev_patients=dev,
            eval_patients=evaluation,
            minutes=minutes,
            broken=broken,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    typer.echo(_table(summaries))


def _table(summaries: tuple[SplitSummary, ...]) -> str:
    lines = [f"{'split':<7}{'patients':>9}{'recordings':>12}{'hours':>8}{'seizures':>10}{'in seizure':>12}{'MB':>8}"]
    for row in summaries:
        ratio = row.seizure_seconds / (3600.0 * row.hours) if row.hours else 0.0
        lines.append(
            f"{row.split:<7}{row.patients:>9}{row.recordings:>12}{row.hours:>8.2f}{row.seizures:>10}"
            f"{ratio:>12.1%}{row.bytes / 1e6:>8.0f}"
        )
    return "\n".join(lines)


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command()(synth)
