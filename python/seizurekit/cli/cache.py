"""`build-cache` and `scan-cache`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seizurekit import settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seizurekit.cache.build.build_cache import BuildReport, SplitReport
    from seizurekit.cache.manifest import Manifest

_MAX_LINES = 10
_TABLE_WIDTH = 120  # even on a narrower terminal: rich would cut numbers
_EXIT_NO_SEIZURES, _EXIT_TOO_MANY_FAILED, _EXIT_DAMAGED = 2, 3, 4


class Executor(StrEnum):
    """Where recordings are processed."""

    LOCAL = "local"
    DASK = "dask"


def build_cache(
    data_dir: Annotated[Path, typer.Option(help="Folder of EDF files: TUSZ's edf folder, or any other.")],
    cache_dir: Annotated[str, typer.Option(help="Folder of the store, created if missing; or a URL, s3://…")],
    split: Annotated[str | None, typer.Option(help="Build only this split.")] = None,
    limit_files: Annotated[int | None, typer.Option(min=1, help="Use only the first N recordings of a split.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of threads; default: one per processor.")] = None,
    max_failed: Annotated[float, typer.Option(min=0, max=100, help="Percentage of recordings that may fail.")] = 5.0,
    executor: Annotated[Executor, typer.Option(help="Threads of this process, or a dask cluster.")] = Executor.LOCAL,
    scheduler: Annotated[str | None, typer.Option(help="Address of the dask scheduler: tcp://HOST:8786.")] = None,
) -> None:
    """Build a store from EDF files, or resume the build.

    Exit code 3: more recordings failed than --max-failed allows.

    Example: seizurekit build-cache --data-dir edf --cache-dir cache
    """
    from seizurekit.cache.build.build_cache import build_cache as build
    from seizurekit.cli.progress_display import show_build_progress

    if (executor is Executor.DASK) != (scheduler is not None):
        raise typer.BadParameter("expected both --executor dask and --scheduler ADDRESS, or neither")
    limit = limit_files if limit_files is not None else settings.limit_files()
    with show_build_progress() as show:
        report = build(
            data_dir, cache_dir, split, workers, limit, executor.value, on_progress=show, scheduler=scheduler
        )
    report_build(report, max_failed)


def scan_cache(
    cache_dir: Annotated[str, typer.Option(help="Folder or URL of the store.")],
    split: Annotated[str | None, typer.Option(help="Scan only this split.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Verify the checksum of every chunk.")] = False,
) -> None:
    """Count the windows of a store and rewrite its manifest.

    Exit code 2: a split has no window with a seizure. Exit code 4: a shard is damaged.

    Example: seizurekit scan-cache --cache-dir cache --verify
    """
    from seizurekit.cache.manifest import write_manifest
    from seizurekit.cache.store import open_cache, splits_in
    from seizurekit.cache.verify import find_damage
    from seizurekit.storage.open import open_folder

    names = [split] if split else list(splits_in(open_folder(cache_dir))) or ["train"]
    caches = [open_cache(cache_dir, name) for name in names]
    manifests = [(cache.split, write_manifest(cache)) for cache in caches]
    _print_table(_manifest_rows(manifests))
    damaged = [damage for cache in caches for damage in find_damage(cache)] if verify else []
    if damaged:
        _print_lines("seizurekit: error: damaged: ", damaged, to_stderr=True)
        raise typer.Exit(_EXIT_DAMAGED)
    if verify:
        typer.echo("verified: every chunk matches its checksum")
    without_seizures = [(name, manifest) for name, manifest in manifests if not manifest.seizure_windows]
    for name, manifest in without_seizures:
        typer.echo(f"seizurekit: error: split {name}: {manifest.explain_no_seizures()}", err=True)
    if without_seizures:
        raise typer.Exit(_EXIT_NO_SEIZURES)


def report_build(report: BuildReport, max_failed: float) -> None:
    """Prints the result of a build. Exits with code 3 if more than `max_failed` percent of the recordings failed."""
    for message in report.messages:
        typer.echo(f"note: {message}")
    _print_splits(report)
    if report.failed_share * 100 > max_failed:
        failed = f"{report.failed_share:.1%} of the recordings failed, more than --max-failed {max_failed:g}"
        typer.echo(f"seizurekit: error: {failed}", err=True)
        raise typer.Exit(_EXIT_TOO_MANY_FAILED)


def register(app: typer.Typer) -> None:
    """Adds the commands of this file to the command line."""
    app.command()(build_cache)
    app.command()(scan_cache)


def _manifest_rows(manifests: Iterable[tuple[str, Manifest]]) -> list[dict[str, str]]:
    return [
        {
            "split": name,
            "recordings": str(manifest.recordings),
            "hours": f"{manifest.hours:.2f}",
            "seizures": str(manifest.seizures),
            "back-\nground": str(manifest.none),
            "partly\nseizure": str(manifest.partial),
            "all\nseizure": str(manifest.full),
        }
        for name, manifest in manifests
    ]


def _print_splits(report: BuildReport) -> None:
    rows = _manifest_rows((split.split, split.manifest) for split in report.splits)
    for row, split in zip(rows, report.splits, strict=True):
        row["MB"] = f"{split.bytes / 1e6:.0f}"
        row["EEG h\nper s"] = "done" if split.was_complete else f"{_speed(split):.2f}"
        row["failed"] = str(len(split.failed))
    _print_table(rows)
    for split in report.splits:
        if split.manifest.hours and not split.manifest.windows:
            typer.echo(f"note: {split.split}: no recording has a window of {split.manifest.window:g} s")
        _print_lines(f"note: {split.split}: issues in ", [f"{name}: {_first(issues)}" for name, issues in split.issues])
        _print_lines(f"note: {split.split}: no annotations: ", list(split.unlabelled))
        _print_lines(f"failed: {split.split}: ", [f"{name}: {reason}" for name, reason in split.failed])


def _first(issues: str) -> str:
    first, *more = issues.split("; ")
    return f"{first}; {len(more)} more are shown by seizurekit inspect" if more else first


def _speed(split: SplitReport) -> float:
    return split.manifest.hours / max(split.seconds, 1e-9)


def _print_lines(start: str, lines: list[str], *, to_stderr: bool = False) -> None:
    for line in lines[:_MAX_LINES]:
        typer.echo(f"{start}{line}", err=to_stderr)
    if len(lines) > _MAX_LINES:
        typer.echo(f"{start}{len(lines) - _MAX_LINES} more are in the store's recordings/ columns", err=to_stderr)


def _print_table(rows: list[dict[str, str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in rows[0] if rows else ():
        table.add_column(name, justify="left" if name == "split" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row.values())
    Console(file=sys.stdout, width=_TABLE_WIDTH).print(table)
