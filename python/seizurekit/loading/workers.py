"""Supervision of the worker processes of a torch DataLoader."""

from __future__ import annotations

import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from torch.utils.data import DataLoader
from torch.utils.data._utils import signal_handling

T = TypeVar("T")

SHARED_MEMORY = Path("/dev/shm")
GRACE_S = 2.0
"""Seconds between SIGTERM and SIGKILL."""


class WorkersFailedError(Exception):
    """The workers deliver no more batches; the message says why. They have been terminated."""


class Workers:
    """The workers of one DataLoader. This is the only place that touches private parts of torch.

    It departs from torch in two ways. The death of a worker is reported when its next batch is requested: torch's
    signal handler raises wherever the main thread happens to be, even in the middle of a training step. And a thread
    enforces the time limit by terminating the workers, because torch's own limit does not apply while the main thread
    waits for a worker to hand over the memory of a batch.

    Args:
        loader: a DataLoader with at least one worker and without a time limit.
        timeout_s: time limit of a batch in seconds.
        startup_s: time limit of the first batch of each worker, if it is longer.
    """

    def __init__(self, loader: DataLoader[Any], timeout_s: float, startup_s: float) -> None:
        self._loader, self._timeout = loader, timeout_s
        self._startup = max(startup_s, timeout_s)
        self._received = 0
        self._iterator: Any = None
        self._reason = ""

    @property
    def processes(self) -> Sequence[BaseProcess]:
        """The worker processes; none before `begin`."""
        return () if self._iterator is None else tuple(self._iterator._workers)

    def begin(self) -> None:
        """Starts an epoch, and the workers if there are none yet.

        Raises:
            WorkersFailedError: a process could not be started, or the workers do not respond.
        """
        if self._iterator is not None:
            self._call(lambda: iter(self._loader))
            return
        try:
            with suppress_worker_count_warning():
                self._iterator = iter(self._loader)
        except OSError as error:
            raise WorkersFailedError(f"a worker could not be started: {error}") from None
        except RuntimeError as error:
            # Torch's signal handler, which is removed below. Other errors are passed on: a spawned process that runs
            # an unguarded script again must end here and not train.
            if not str(error).startswith("DataLoader worker"):
                raise
            raise WorkersFailedError(str(error)) from None
        signal_handling._remove_worker_pids(id(self._iterator))  # type: ignore[attr-defined]
        self._iterator._worker_pids_set = False

    def next(self) -> Any:
        """The next batch.

        Raises:
            WorkersFailedError: the batch does not arrive.
            Exception: what a worker raised while it read the batch.
        """
        batch = self._call(lambda: next(self._iterator))
        self._received += 1
        return batch

    def close(self) -> None:
        """Terminates the processes and the threads that serve them."""
        processes, iterator = self.processes, self._iterator
        self._iterator = None
        if iterator is not None:
            iterator._shutdown_workers()
            terminate(processes)

    def _call(self, request: Callable[[], T]) -> T:
        """The result of a request to the workers, within the time limit."""
        # The batches go round the workers, so each one has started once there are as many batches as workers.
        limit = self._timeout if self._received >= len(self.processes) else self._startup
        timer = threading.Timer(limit, self._expire, [limit])
        timer.daemon = True
        timer.start()
        try:
            return request()
        except Exception as error:  # torch's error about lost workers, or whatever a worker raised
            timer.cancel()
            timer.join()
            reason = self._reason or self._deaths()
            if not reason:
                raise
            terminate(self.processes)
            self.close()
            raise WorkersFailedError(reason) from error
        finally:
            timer.cancel()
            timer.join()

    def _expire(self, limit: float) -> None:
        alive = sum(process.is_alive() for process in self.processes)
        reason = f"no batch arrived within {limit:g} s"
        details = self._deaths() if alive < len(self.processes) else "all workers are alive, so one of them hangs"
        self._reason = f"{reason}; {details}"
        terminate(self.processes)

    def _deaths(self) -> str:
        codes = [process.exitcode for process in self.processes if process.exitcode is not None]
        if not codes:
            return ""
        causes = ", ".join(_describe_exit(code) for code in sorted(set(codes)))
        return f"{len(codes)} of {len(self.processes)} workers died, {causes}"


def terminate(processes: Sequence[BaseProcess]) -> None:
    """Terminates processes, and kills those that still run after `GRACE_S`."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE_S
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    for process in processes:
        if process.is_alive():
            process.kill()
            process.join()


def shared_memory_left() -> str:
    """End of a message that reports the free shared memory; empty on systems without /dev/shm."""
    if not SHARED_MEMORY.is_dir():
        return ""
    free = shutil.disk_usage(SHARED_MEMORY).free / 1e6
    return f"; {SHARED_MEMORY} has {free:.0f} MB left: a container may need more (docker run --shm-size)"


@contextmanager
def suppress_worker_count_warning() -> Iterator[None]:
    """Suppresses torch's warning about more workers than CPUs, which is normal for an object store."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")
        yield


def _describe_exit(code: int) -> str:
    if code >= 0:
        guard = ' (a script that trains needs `if __name__ == "__main__":`)' if code == 1 else ""
        return f"with exit code {code}{guard}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if code == -signal.SIGKILL:
        return f"by {name}, as when memory runs out"
    return f"by {name}" + (shared_memory_left() if code == -signal.SIGBUS else "")
