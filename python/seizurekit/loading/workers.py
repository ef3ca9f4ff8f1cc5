"""The worker processes of torch's DataLoader, watched from outside of them."""

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
"""What a process that was asked to end is given to do so."""


class WorkersFailedError(Exception):
    """Workers that give no more batches; the message says why. They have been ended."""


class Workers:
    """The workers of one DataLoader. What torch keeps to itself is touched here and nowhere else.

    Two things are done in other ways than torch does them. A worker that is lost is found when its batch is asked for:
    torch's signal handler would raise wherever the main thread happens to be, in the midst of a training step too. And
    the time limit is kept by a thread that ends the workers, since torch's own does not hold while the main thread
    waits for a worker to hand over a batch's memory.

    Args:
        loader: with one worker or more, and without a time limit.
        timeout_s: most that a batch may take, s.
    """

    def __init__(self, loader: DataLoader[Any], timeout_s: float) -> None:
        self._loader, self._timeout = loader, timeout_s
        self._iterator: Any = None
        self._why = ""

    @property
    def processes(self) -> Sequence[BaseProcess]:
        """The worker processes; none before the first batch is asked for."""
        return () if self._iterator is None else tuple(self._iterator._workers)

    def begin(self) -> None:
        """Begins an epoch.

        Raises:
            WorkersFailedError: no process could be started, or those that there were give no answer.
        """
        if self._iterator is not None:
            self._answered(lambda: iter(self._loader))
            return
        try:
            with suppress_worker_count_warning():
                self._iterator = iter(self._loader)
        except OSError as error:
            raise WorkersFailedError(f"no worker could be started: {error}") from None
        except RuntimeError as error:
            # Torch's handler, not yet out of the way. Others are passed on: a spawned process that runs an unguarded
            # script anew must end here, and not train by itself.
            if not str(error).startswith("DataLoader worker"):
                raise
            raise WorkersFailedError(str(error)) from None
        signal_handling._remove_worker_pids(id(self._iterator))  # type: ignore[attr-defined]
        self._iterator._worker_pids_set = False

    def next(self) -> Any:
        """The next batch.

        Raises:
            WorkersFailedError: it does not come.
            Exception: the worker's, while reading it.
        """
        return self._answered(lambda: next(self._iterator))

    def close(self) -> None:
        """Ends the processes, and the threads that serve them."""
        processes, iterator = self.processes, self._iterator
        self._iterator = None
        if iterator is not None:
            iterator._shutdown_workers()
            end(processes)

    def _answered(self, ask: Callable[[], T]) -> T:
        timer = threading.Timer(self._timeout, self._expire)
        timer.daemon = True
        timer.start()
        try:
            return ask()
        except Exception as error:
            timer.cancel()
            timer.join()
            why = self._why or self._lost()
            if not why:
                raise
            end(self.processes)
            self.close()
            raise WorkersFailedError(why) from error
        finally:
            timer.cancel()
            timer.join()

    def _expire(self) -> None:
        alive = sum(process.is_alive() for process in self.processes)
        what = f"no batch came within {self._timeout:g} s"
        self._why = f"{what}; {self._lost()}" if alive < len(self.processes) else f"{what}, all workers live: one hangs"
        end(self.processes)

    def _lost(self) -> str:
        codes = [process.exitcode for process in self.processes if process.exitcode is not None]
        if not codes:
            return ""
        told = ", ".join(_explained(code) for code in sorted(set(codes)))
        return f"{len(codes)} of {len(self.processes)} workers died, {told}"


def end(processes: Sequence[BaseProcess]) -> None:
    """Ends processes: asks, and then does not ask."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + GRACE_S
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
    for process in processes:
        if process.is_alive():
            process.kill()
            process.join()


def shared_memory_left() -> str:
    """How much shared memory is left, for a message."""
    if not SHARED_MEMORY.is_dir():
        return ""
    free = shutil.disk_usage(SHARED_MEMORY).free / 1e6
    return f"; {SHARED_MEMORY} has {free:.0f} MB left: a container may need more (docker run --shm-size)"


@contextmanager
def suppress_worker_count_warning() -> Iterator[None]:
    """Without torch's warning of more workers than processors, which for an object store is as it should be."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")
        yield


def _explained(code: int) -> str:
    if code >= 0:
        guard = ' (a script that trains needs `if __name__ == "__main__":`)' if code == 1 else ""
        return f"with exit code {code}{guard}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if code == -signal.SIGKILL:
        return f"by {name}, as when memory runs out"
    return f"by {name}" + (shared_memory_left() if code == -signal.SIGBUS else "")
