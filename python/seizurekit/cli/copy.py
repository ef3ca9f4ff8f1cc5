"""`sync-cache` and `import-npz`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seizurekit.cli.cache import report_build


def sync_cache(
    source: Annotated[str, typer.Argument(metavar="SRC", help="Store to copy: folder or URL.")],
    destination: Annotated[str, typer.Argument(metavar="DST", help="Destination: folder or URL.")],
    split: Annotated[str | None, typer.Option(help="Copy only this split.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Copy again, even if the copy is complete.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Number of threads; each holds one shard in memory.")] = 8,
) -> None:
    """Copy a store, or resume the copy.

    Source and destination are folders or object stores. Every shard is verified.

    Example: seizurekit sync-cache s3://bucket/cache /data/cache
    """
    from seizurekit.cache.copy.sync import sync_cache as sync
    from seizurekit.cli.progress_display import show_copy_progress

    with show_copy_progress() as show:
        copies = sync(source, destination, split, force, workers, on_shard=show)
    if all(copy.was_complete for copy in copies):
        typer.echo(f"{destination}: up to date ({_shards(sum(copy.shards for copy in copies))})")
        return
    for copy in copies:
        done = "up to date" if copy.was_complete else f"{copy.copied} copied, {copy.shards - copy.copied} up to date"
        typer.echo(f"{copy.split}: {_shards(copy.shards)}, {copy.bytes / 1e6:.0f} MB: {done}")


def _shards(count: int) -> str:
    return f"{count} shard{'' if count == 1 else 's'}"


def import_npz(
    npz_dir: Annotated[Path, typer.Option(help="Folder of <recording>_windows.npz files, or of splits.")],
    cache_dir: Annotated[str, typer.Option(help="Folder or URL of the store.")],
    split: Annotated[
        str | None, typer.Option(help="Import only this split; names the split if there is no split folder.")
    ] = None,
    stride: Annotated[float, typer.Option(min=0.1, help="Stride of the windows, in seconds.")] = 10.0,
    workers: Annotated[int, typer.Option(min=1, help="Number of threads; each holds one recording's windows.")] = 1,
    max_failed: Annotated[float, typer.Option(min=0, max=100, help="Percentage of recordings that may fail.")] = 5.0,
) -> None:
    """Convert an old cache of NPZ files to a store.

    Exit code 3: more recordings failed than --max-failed allows.

    Example: seizurekit import-npz --npz-dir old_cache --cache-dir cache
    """
    from seizurekit.cache.npz.import_npz import import_npz as convert
    from seizurekit.cli.progress_display import show_build_progress

    with show_build_progress() as show:
        report = convert(npz_dir, cache_dir, split, stride, workers, on_progress=show)
    report_build(report, max_failed)


def register(app: typer.Typer) -> None:
    """Adds the commands of this file to the command line."""
    app.command()(sync_cache)
    app.command()(import_npz)
