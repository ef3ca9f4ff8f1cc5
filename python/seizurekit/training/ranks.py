"""The processes that train one model together, as torchrun starts them; one alone is the plain case."""

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
    """This process among those that train together.

    Attributes:
        rank: of this process; rank 0 is the one that writes and speaks.
        world: number of processes.
        local: rank among those on the same machine, which is the number of its GPU.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def sum(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The sum over all ranks, float64, the same on each; every rank must ask, with as many values."""
        array = np.array(values, np.float64)
        if self.world > 1:
            distributed.all_reduce(torch.from_numpy(array))
        return array

    def any(self, wanted: bool) -> bool:
        """Whether any rank wants it; every rank must ask."""
        return bool(self.sum(float(wanted)) > 0)

    def first_only(self, work: Callable[[], T]) -> T | None:
        """What the first rank's work gives; None on the others.

        Raises:
            SeizurekitError: on every rank, where the first one's work raises anything: none is left waiting for it.
        """
        result: T | None = None
        failure: BaseException | None = None
        if self.first:
            try:
                result = work()
            except BaseException as error:  # raised again below, when the others know
                failure = error
        failed = self.any(failure is not None)
        if failure is not None:
            raise failure
        if failed:
            raise SeizurekitError(f"process {self.rank} of {self.world}: the first could not begin, and says why")
        return result


@contextmanager
def joined(device: str) -> Iterator[tuple[Ranks, str]]:
    """The ranks that torchrun started, able to talk to one another, and the device that this one is to use.

    Args:
        device: as ``training.device`` says; with several ranks ``auto`` and ``cuda`` become each rank's own GPU.
    """
    started: Torchrun | None = torchrun()
    if started is None:
        yield Ranks(), device
        return
    ranks = Ranks(started.rank, started.world, started.local)
    if device in ("auto", "cuda") and torch.cuda.is_available():
        device = f"cuda:{ranks.local}"
        torch.cuda.set_device(ranks.local)
    on_gpu = device.startswith("cuda")
    if ranks.world == 1:
        yield ranks, device
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    try:
        yield ranks, device
    finally:
        distributed.destroy_process_group()
