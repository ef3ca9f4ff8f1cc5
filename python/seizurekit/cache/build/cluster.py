"""Filling a store on the workers of a dask cluster, each of which writes whole units."""

from __future__ import annotations

import concurrent.futures
import importlib
import platform
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from seizurekit.cache.build.fill import Executor, Filled, OnRecording, Work, write_unit
from seizurekit.errors import CacheError, SeizurekitError

CONNECT_S = 30
ATTEMPTS = 3
"""The scheduler gives a unit up after it lost some workers over it (`distributed.scheduler.allowed-failures`); a unit
that was given up so often is taken to be the cause."""


def on_cluster(scheduler: str) -> Executor:
    """Does the work on a cluster. A worker that is lost costs the units it was at; others take them over.

    Args:
        scheduler: address of the scheduler.

    Raises:
        CacheError: dask is not installed, there is no scheduler at that address, it has no workers, or went away.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise CacheError(
            "executor dask: the package distributed is missing; install seizurekit with its extra dask"
        ) from None

    def execute(works: Sequence[Work], on_recording: OnRecording) -> None:
        if not works:
            return
        try:
            client = distributed.Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise CacheError(f"scheduler {scheduler}: cannot be reached: {error}") from None
        with client, client.as_current():
            try:
                client.wait_for_workers(1, timeout=CONNECT_S)
            except TimeoutError:
                raise CacheError(f"scheduler {scheduler}: found no workers in {CONNECT_S} s, wanted some") from None
            _follow(client, scheduler, works, on_recording)

    return execute


def _follow(client: Any, scheduler: str, works: Sequence[Work], on_recording: OnRecording) -> None:
    distributed: Any = importlib.import_module("distributed")
    from distributed.scheduler import KilledWorker

    attempts: dict[int, int] = {}

    def submit(work: Work) -> Any:
        number = work.unit.number
        attempts[number] = attempts.get(number, 0) + 1
        key = f"{work.folder.url}-{number}-{uuid.uuid4().hex}"
        return client.submit(write_unit_there, work, pure=False, key=key)

    pending = {submit(work): work for work in works}
    finished = distributed.as_completed(list(pending))
    try:
        for future in finished:
            work = pending.pop(future)
            try:
                filled = future.result()
            except KilledWorker as error:
                if attempts[work.unit.number] == ATTEMPTS:
                    raise CacheError(f"{_named(work)}: its workers were lost, time and again: {error}") from None
                again = submit(work)
                pending[again] = work
                finished.add(again)
                continue
            except CacheError:
                raise
            except concurrent.futures.CancelledError as error:
                raise CacheError(f"scheduler {scheduler}: went away: {error}; the same command goes on") from None
            except Exception as error:
                # Whatever the cluster makes of a worker without seizurekit, or with another version of it.
                raise CacheError(f"{_named(work)}: {type(error).__name__}: {error}") from error
            for planned, each in zip(work.recordings, filled, strict=True):
                on_recording(planned, each)
    finally:
        with suppress(concurrent.futures.CancelledError, OSError, TimeoutError):
            client.cancel(list(pending))


def _named(work: Work) -> str:
    return f"unit {work.unit.number} ({work.recordings[0].id} to {work.recordings[-1].id})"


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
