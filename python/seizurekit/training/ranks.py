"""The processes that train one model together, as torchrun starts them; without torchrun there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed

from seizurekit.errors import SeizurekitError
from seizurekit.settings import Torchrun, torchrun

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The rank of this process, and communication with the other ranks.

    Attributes:
        rank: rank of this process; only rank 0 writes files and logs.
        world: number of processes.
        local: rank among the processes of this machine, which is the index of its GPU.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def is_rank_0(self) -> bool:
        """Whether this process is rank 0, the one that writes files and logs."""
        return self.rank == 0

    def sum(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The sum over all ranks, float64; every rank must call this with the same shape, and gets the same sum."""
        array = np.array(values, np.float64)
        if self.world > 1:
            distributed.all_reduce(torch.from_numpy(array))
        return array

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank; every rank must call this."""
        return bool(self.sum(float(flag)) > 0)

    def on_rank_0(self, work: Callable[[], T]) -> T | None:
        """Result of `work`, which runs on rank 0 while the others wait; None on the other ranks.

        Raises:
            SeizurekitError: on every rank if `work` raised an exception, so that no rank waits forever.
        """
        result: T | None = None
        failure: BaseException | None = None
        if self.is_rank_0:
            try:
                result = work()
            except BaseException as error:  # raised again below, once the other ranks know
                failure = error
        failed = self.any(failure is not None)
        if failure is not None:
            raise failure
        if failed:
            raise SeizurekitError(
                f"rank {self.rank} of {self.world}: rank 0 failed to start; see the error of rank 0 above"
            )
        return result


@contextmanager
def process_group(device: str) -> Iterator[tuple[Ranks, str]]:
    """The ranks that torchrun started, connected to one another, and the device of this rank.

    Args:
        device: ``training.device`` of the configuration; under torchrun ``auto`` and ``cuda`` mean this rank's GPU.
    """
    started: Torchrun | None = torchrun()
    if started is None:
        yield Ranks(), device
        return
    ranks = Ranks(started.rank, started.world, started.local)
    if device in ("auto", "cuda") and torch.cuda.is_available():
        device = f"cuda:{ranks.local}"
        torch.cuda.set_device(ranks.local)
    if ranks.world == 1:
        yield ranks, device
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo")
    try:
        yield ranks, device
    finally:
        distributed.destroy_process_group()
