"""Filling a store on the workers of a dask cluster, each of which writes whole units."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Sequence
from typing import Any

from seizurekit.cache.fill import Executor, Filled, OnRecording, Work, write_unit
from seizurekit.errors import CacheError, SeizurekitError

CONNECT_S = 30
LOST_WORKERS = 10
"""A unit that so many workers were lost over is taken to be the cause."""


def on_cluster(scheduler: str) -> Executor:
    """Does the work on a cluster. A worker that is lost costs the units it was at; others take them over.

    Args:
        scheduler: address of the scheduler.

    Raises:
        CacheError: dask is not installed, or there is no scheduler at that address.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise CacheError(
            "executor dask: the package distributed is missing; install seizurekit with its extra dask"
        ) from None

    def execute(works: Sequence[Work], on_recording: OnRecording) -> None:
        try:
            client = distributed.Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise CacheError(f"scheduler {scheduler}: cannot be reached: {error}") from None
        with client, client.as_current():
            client.run_on_scheduler(_allow_losses)
            futures = {
                client.submit(write_unit_there, work, pure=False, key=f"{work.folder.url}-{work.unit.number}"): work
                for work in works
            }
            try:
                for future in distributed.as_completed(list(futures)):
                    work = futures[future]
                    for planned, filled in zip(work.recordings, _result(future, work), strict=True):
                        on_recording(planned, filled)
            finally:
                client.cancel(list(futures))

    return execute


def _allow_losses(dask_scheduler: Any) -> None:
    dask_scheduler.allowed_failures = LOST_WORKERS


def _result(future: Any, work: Work) -> tuple[Filled, ...]:
    from distributed.scheduler import KilledWorker

    try:
        result: tuple[Filled, ...] = future.result()
    except KilledWorker as error:
        first, last = work.recordings[0].id, work.recordings[-1].id
        raise CacheError(f"unit {work.unit.number} ({first} to {last}): its workers were lost: {error}") from None
    return result


def write_unit_there(work: Work) -> tuple[Filled, ...]:
    """Writes a unit, on the worker.

    Raises:
        CacheError: the corpus is not there; an error names the worker's machine.
    """
    if not work.root.is_dir():
        raise CacheError(f"worker {platform.node()}: {work.root}: no such folder; workers need the same --data-dir")
    try:
        return write_unit(work)
    except (SeizurekitError, OSError) as error:
        raise CacheError(f"worker {platform.node()}: {error}") from None
