"""Datasets that fail in worker processes; in a module of their own, which spawned processes can import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

import torch
from torch.utils.data import get_worker_info

from seizurekit.loading.windows import EEGWindowDataset

Items = list[tuple[torch.Tensor, torch.Tensor]]


class Hanging(EEGWindowDataset):
    """A worker that never answers."""

    def __getitems__(self, items: Sequence[int]) -> Items:
        if get_worker_info() is not None:
            time.sleep(1000)
        return super().__getitems__(items)


class HangingLater(EEGWindowDataset):
    """A worker that stops to answer in mid-epoch."""

    def __getitems__(self, items: Sequence[int]) -> Items:
        if get_worker_info() is not None and 0 in items:
            time.sleep(1000)
        return super().__getitems__(items)


class Killed(EEGWindowDataset):
    """A worker that the system kills, as when memory runs out."""

    def __getitems__(self, items: Sequence[int]) -> Items:
        if get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitems__(items)


class Raising(EEGWindowDataset):
    """Data that cannot be read, in whatever process."""

    def __getitems__(self, items: Sequence[int]) -> Items:
        raise RuntimeError("no such data")
