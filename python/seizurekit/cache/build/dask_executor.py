"""Filling a store on the workers of a dask cluster; each writes whole units."""

from __future__ import annotations

import concurrent.futures
import importlib
import platform
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from seizurekit.cache.build.fill import Executor, FilledRecording, OnRecording, UnitTask, write_unit
from seizurekit.errors import CacheError, SeizurekitError, install_hint

CONNECT_S = 30
ATTEMPTS = 3
"""Attempts to write a unit. The scheduler abandons an attempt after it lost several workers that ran it
(`distributed.scheduler.allowed-failures`). After `ATTEMPTS` of them we assume that the unit itself is the cause."""


def dask_executor(scheduler: str) -> Executor:
    """Runs tasks on a cluster. The units of a worker that is lost are written by others.

    Args:
        scheduler: address of the scheduler.

    Raises:
        CacheError: dask is not installed, the scheduler cannot be reached or has no workers, or the connection is lost.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise CacheError(f"executor dask: {install_hint('distributed')}") from None

    def execute(tasks: Sequence[UnitTask], on_recording: OnRecording) -> None:
        if not tasks:
            return
        try:
            client = distributed.Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise CacheError(f"scheduler {scheduler}: cannot be reached: {error}") from None
        with client, client.as_current():
            try:
                client.wait_for_workers(1, timeout=CONNECT_S)
            except TimeoutError:
                raise CacheError(f"scheduler {scheduler}: has no workers after {CONNECT_S} s") from None
            _run(client, scheduler, tasks, on_recording)

    return execute


def _run(client: Any, scheduler: str, tasks: Sequence[UnitTask], on_recording: OnRecording) -> None:
    distributed: Any = importlib.import_module("distributed")
    from distributed.scheduler import KilledWorker

    attempts: dict[int, int] = {}

    def submit(task: UnitTask) -> Any:
        index = task.unit.index
        attempts[index] = attempts.get(index, 0) + 1
        key = f"{task.folder.url}-{index}-{uuid.uuid4().hex}"
        return client.submit(write_unit_on_worker, task, pure=False, key=key)

    pending = {submit(task): task for task in tasks}
    finished = distributed.as_completed(list(pending))
    try:
        for future in finished:
            task = pending.pop(future)
            try:
                filled = future.result()
            except KilledWorker as error:
                if attempts[task.unit.index] == ATTEMPTS:
                    raise CacheError(f"{_describe(task)}: its workers were lost {ATTEMPTS} times: {error}") from None
                again = submit(task)
                pending[again] = task
                finished.add(again)
                continue
            except CacheError:
                raise
            except concurrent.futures.CancelledError as error:
                raise CacheError(
                    f"scheduler {scheduler}: connection lost: {error}; run the same command again to resume the build"
                ) from None
            except Exception as error:
                # A worker without seizurekit, or with another version of it, can raise any class.
                raise CacheError(f"{_describe(task)}: {type(error).__name__}: {error}") from error
            for planned, recording in zip(task.recordings, filled, strict=True):
                on_recording(planned, recording)
    finally:
        with suppress(concurrent.futures.CancelledError, OSError, TimeoutError):
            client.cancel(list(pending))


def _describe(task: UnitTask) -> str:
    return f"unit {task.unit.index} ({task.recordings[0].id} to {task.recordings[-1].id})"


def write_unit_on_worker(task: UnitTask) -> tuple[FilledRecording, ...]:
    """Writes a unit on a worker.

    Raises:
        CacheError: the corpus is missing, or the unit cannot be written; names the worker's machine.
    """
    if not task.root.is_dir():
        raise CacheError(f"worker {platform.node()}: {task.root}: no such folder; workers need the same --data-dir")
    try:
        return write_unit(task)
    except (SeizurekitError, OSError) as error:
        raise CacheError(f"worker {platform.node()}: {error}") from None
