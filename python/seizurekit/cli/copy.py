"""`sync-cache` and `import-npz`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seizurekit.cli.cache import report_build


def sync_cache(
    source: Annotated[str, typer.Argument(metavar="SRC", help="Store to copy: a folder or a URL.")],
    destination: Annotated[str, typer.Argument(metavar="DST", help="Where to: a folder or a URL.")],
    split: Annotated[str | None, typer.Option(help="Copy only this split.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Copy anew, whatever is there.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Shards under way at once, each in memory.")] = 8,
) -> None:
    """Copies a store between folders and object stores, or goes on copying it; each shard is verified.

    Example: seizurekit sync-cache s3://bucket/cache /data/cache
    """
    from seizurekit.cache.copy.sync import sync_cache as sync
    from seizurekit.cli.progress import shards_shown
    from seizurekit.storage.open import open_folder

    with shards_shown() as show:
        copies = sync(source, destination, split, force, workers, on_shard=show)
    if all(copy.was_complete for copy in copies):
        shards = sum(copy.shards for copy in copies)
        folder = open_folder(destination)
        place, where = ("Local cache", "") if folder.is_local else ("Cache", f" at {folder.url}")
        typer.echo(f"[CACHE] {place} already exists with {shards} shards{where}")
        return
    for copy in copies:
        done = "was complete" if copy.was_complete else f"{copy.copied} copied, {copy.shards - copy.copied} were there"
        typer.echo(f"{copy.split}: {copy.shards} shards, {copy.bytes / 1e6:.0f} MB: {done}")


def import_npz(
    npz_dir: Annotated[Path, typer.Option(help="Folder of <recording>_windows.npz files, or of train, dev, eval.")],
    cache_dir: Annotated[str, typer.Option(help="Folder or URL of the store.")],
    split: Annotated[str | None, typer.Option(help="Import only this split, or what the folder is.")] = None,
    stride: Annotated[float, typer.Option(min=0.1, help="Seconds from a window's start to the next one's.")] = 10.0,
    workers: Annotated[int, typer.Option(min=1, help="Threads, each with a recording's windows in memory.")] = 1,
    max_failed: Annotated[float, typer.Option(min=0, max=100, help="Per cent of recordings that may fail.")] = 5.0,
) -> None:
    """Turns an old cache of NPZ files of overlapping windows into a store.

    Example: seizurekit import-npz --npz-dir old_cache --cache-dir cache
    """
    from seizurekit.cache.npz.import_npz import import_npz as convert
    from seizurekit.cli.progress import hours_shown

    with hours_shown() as show:
        report = convert(npz_dir, cache_dir, split, stride, workers, on_progress=show)
    report_build(report, max_failed)


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command()(sync_cache)
    app.command()(import_npz)
