"""Datasets that fail in worker processes; in a module of their own, which spawned processes can import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

import torch
from torch.utils.data import get_worker_info

from seizurekit.loading.dataset import EEGWindowDataset

Items = list[tuple[torch.Tensor, torch.Tensor]]


class Fragile(EEGWindowDataset):
    """Fails in a worker, from the read of that number on."""

    fails_at = 1
    reads = 0

    def __getitems__(self, items: Sequence[int]) -> Items:
        self.reads += 1
        if get_worker_info() is not None and self.reads >= self.fails_at:
            self.fail()
        return super().__getitems__(items)

    def fail(self) -> None:
        raise NotImplementedError


class Hanging(Fragile):
    """A worker that never answers."""

    def fail(self) -> None:
        time.sleep(1000)


class HangingLater(Hanging):
    """A worker that stops to answer in mid-epoch, and does not end when asked to."""

    fails_at = 3

    def fail(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        super().fail()


class Stopped(Fragile):
    """A worker that stands still before it has handed over the memory of what it read."""

    fails_at = 2

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)


class Killed(Fragile):
    """A worker that the system kills, as when memory runs out."""

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class BusError(Fragile):
    """A worker that finds shared memory full while it writes there."""

    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGBUS)


class WithoutMemory(Fragile):
    """A worker that is refused shared memory, in torch's words."""

    def fail(self) -> None:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")


class Raising(EEGWindowDataset):
    """Data that cannot be read, in whatever process."""

    def __getitems__(self, items: Sequence[int]) -> Items:
        raise RuntimeError("no such data")
