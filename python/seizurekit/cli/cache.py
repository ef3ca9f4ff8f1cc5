"""`build-cache` and `scan-cache`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seizurekit.cache.build.build import BuildReport, SplitReport
    from seizurekit.cache.manifest import Manifest

_MOST_SHOWN = 10
_NO_SEIZURES, _TOO_MANY_FAILED, _DAMAGED = 2, 3, 4


class Executor(StrEnum):
    """What fills a store."""

    LOCAL = "local"
    DASK = "dask"


def build_cache(
    data_dir: Annotated[Path, typer.Option(help="Folder of EDF files: TUSZ's edf folder, or any other.")],
    cache_dir: Annotated[str, typer.Option(help="Folder of the store, made if it is not there; or a URL, s3://…")],
    split: Annotated[str | None, typer.Option(help="Build only this split.")] = None,
    limit_files: Annotated[int | None, typer.Option(min=1, help="Only the first N recordings of each split.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; by default one a processor.")] = None,
    max_failed: Annotated[float, typer.Option(min=0, max=100, help="Per cent of recordings that may fail.")] = 5.0,
    executor: Annotated[Executor, typer.Option(help="Threads of this process, or a dask cluster.")] = Executor.LOCAL,
    scheduler: Annotated[str | None, typer.Option(help="Address of dask's scheduler: tcp://HOST:8786.")] = None,
) -> None:
    """Builds a store from EDF files, or goes on building it.

    Example: seizurekit build-cache --data-dir edf --cache-dir cache
    """
    from seizurekit import settings
    from seizurekit.cache.build.build import build_cache as build
    from seizurekit.cli.progress import hours_shown

    if (executor is Executor.DASK) != (scheduler is not None):
        raise typer.BadParameter("wanted --executor dask and --scheduler ADDRESS, both or neither")
    limit = limit_files if limit_files is not None else settings.limit_files()
    with hours_shown() as show:
        report = build(
            data_dir, cache_dir, split, workers, limit, executor.value, on_progress=show, scheduler=scheduler
        )
    report_build(report, max_failed)


def scan_cache(
    cache_dir: Annotated[str, typer.Option(help="Folder or URL of the store.")],
    split: Annotated[str | None, typer.Option(help="Scan only this split.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check every chunk against its checksum.")] = False,
) -> None:
    """Counts a store's windows anew and rewrites its manifest.

    Exit code 2: a split has no window with a seizure; 4: a shard is damaged.

    Example: seizurekit scan-cache --cache-dir cache --verify
    """
    from seizurekit.cache.manifest import write_manifest
    from seizurekit.cache.store import open_cache, splits_of
    from seizurekit.cache.verify import damages

    names = [split] if split else list(splits_of(cache_dir)) or ["train"]
    caches = [open_cache(cache_dir, name) for name in names]
    manifests = [(cache.split, write_manifest(cache)) for cache in caches]
    _print_table(_manifest_rows(manifests))
    found = [damage for cache in caches for damage in damages(cache)] if verify else []
    if found:
        _print_some("seizurekit: error: damaged: ", found, to_stderr=True)
        raise typer.Exit(_DAMAGED)
    if verify:
        typer.echo("every chunk agrees with its checksum")
    bare = [(name, manifest) for name, manifest in manifests if not manifest.partial + manifest.full]
    for name, manifest in bare:
        typer.echo(f"seizurekit: error: split {name}: {_why_no_seizures(manifest)}", err=True)
    if bare:
        raise typer.Exit(_NO_SEIZURES)


def report_build(report: BuildReport, max_failed: float) -> None:
    """Prints what a build made; exit code 3 where more than `max_failed` per cent of the recordings failed."""
    for message in report.messages:
        typer.echo(f"note: {message}")
    _print_build(report)
    if report.failed_share * 100 > max_failed:
        share = f"{report.failed_share:.1%} of the recordings failed, more than --max-failed {max_failed:g}"
        typer.echo(f"seizurekit: error: {share}", err=True)
        raise typer.Exit(_TOO_MANY_FAILED)


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command()(build_cache)
    app.command()(scan_cache)


def _why_no_seizures(manifest: Manifest) -> str:
    windows = manifest.none
    if not windows and manifest.usable:
        why = f"none of its {manifest.usable} usable recordings is as long as a window of {manifest.window:g} s"
    elif not manifest.usable:
        why = f"none of its {manifest.recordings} recordings could be read and has annotations"
    else:
        why = f"{windows} windows without seizure, {manifest.seizures} annotated seizures"
    return (
        f"no window with a seizure: {why}; check the label set (seiz in .csv_bi, fnsz gnsz … in .csv), that annotation "
        "files stand beside the EDFs under the same names, and that they are TUSZ's .csv_bi or .csv"
    )


def _manifest_rows(manifests: Iterable[tuple[str, Manifest]]) -> list[dict[str, str]]:
    return [
        {
            "split": name,
            "recordings": str(manifest.recordings),
            "hours": f"{manifest.hours:.2f}",
            "seizures": str(manifest.seizures),
            "none": str(manifest.none),
            "partial": str(manifest.partial),
            "full": str(manifest.full),
        }
        for name, manifest in manifests
    ]


def _print_build(report: BuildReport) -> None:
    rows = _manifest_rows((split.split, split.manifest) for split in report.splits)
    for row, split in zip(rows, report.splits, strict=True):
        row["MB"] = f"{split.bytes / 1e6:.0f}"
        row["h/s"] = "done" if split.was_complete else f"{_speed(split):.2f}"
        row["failed"] = str(len(split.failed))
    _print_table(rows)
    for split in report.splits:
        if split.manifest.hours and not split.manifest.none + split.manifest.partial + split.manifest.full:
            typer.echo(f"note: {split.split}: no recording gives a window of {split.manifest.window:g} s")
        _print_some(
            f"note: {split.split}: mended ", [f"{name}: {_first_of(repairs)}" for name, repairs in split.mended]
        )
        _print_some(f"note: {split.split}: no annotations: ", list(split.unlabelled))
        _print_some(f"failed: {split.split}: ", [f"{name}: {reason}" for name, reason in split.failed])


def _first_of(repairs: str) -> str:
    first, *more = repairs.split("; ")
    return f"{first}; and {len(more)} more, see seizurekit inspect" if more else first


def _speed(split: SplitReport) -> float:
    return split.manifest.hours / max(split.seconds, 1e-9)


def _print_some(start: str, lines: list[str], *, to_stderr: bool = False) -> None:
    for line in lines[:_MOST_SHOWN]:
        typer.echo(f"{start}{line}", err=to_stderr)
    if len(lines) > _MOST_SHOWN:
        typer.echo(f"{start}and {len(lines) - _MOST_SHOWN} more, see the store's recordings/ columns", err=to_stderr)


def _print_table(rows: list[dict[str, str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in rows[0] if rows else ():
        table.add_column(name, justify="left" if name == "split" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row.values())
    Console(file=sys.stdout).print(table)
