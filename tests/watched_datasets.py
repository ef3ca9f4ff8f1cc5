"""Datasets that fail in worker processes, in a module that spawned processes can import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

import torch
from torch.utils.data import get_worker_info

from seizurekit.loading.dataset import EEGWindowDataset

Items = list[tuple[torch.Tensor, torch.Tensor]]


class FailingInWorkers(EEGWindowDataset):
    """Fails in a worker, from the read `fails_at` on, counted from 1."""

    fails_at = 1
    reads = 0

    def __getitems__(self, items: Sequence[int]) -> Items:
        self.reads += 1
        if get_worker_info() is not None and self.reads >= self.fails_at:
            self.fail()
        return super().__getitems__(items)

    def fail(self) -> None:
        raise NotImplementedError


class HangingFromTheStart(FailingInWorkers):
    """A worker that stops responding at its first read."""

    def fail(self) -> None:
        time.sleep(1000)


class Hanging(HangingFromTheStart):
    """A worker that stops responding after its first batch."""

    fails_at = 2


class HangingLater(Hanging):
    """A worker that stops responding in the middle of an epoch, and ignores SIGTERM."""

    fails_at = 3

    def fail(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        super().fail()


class Stopped(FailingInWorkers):
    """A worker that is suspended before it has handed over the memory of its first batch."""

    fails_at = 2

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)


class Killed(FailingInWorkers):
    """A worker that the system kills while it reads, as when memory runs out."""

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class BusError(FailingInWorkers):
    """A worker that finds shared memory full while it writes there."""

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGBUS)


class WithoutMemory(FailingInWorkers):
    """A worker that cannot allocate shared memory, with torch's message."""

    def fail(self) -> None:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")


class Unreadable(EEGWindowDataset):
    """Data that no process can read."""

    def __getitems__(self, items: Sequence[int]) -> Items:
        raise RuntimeError("no such data")
