"""Seeds of the random generators, so that a run can be repeated and resumed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from seizurekit.settings import make_cublas_deterministic


@contextmanager
def seed_everything(seed: int, deterministic: bool) -> Iterator[None]:
    """Seeds the generators of Python, NumPy and torch.

    Args:
        seed: the seed of all of them.
        deterministic: within the context, torch uses only algorithms that give the same bits in every run, and raises
            an error where it has none.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if deterministic:
        make_cublas_deterministic()
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def seed_batch(seed: int, epoch: int, before: int, rank: int) -> None:
    """Seeds torch for one batch of one rank; its random numbers do not depend on earlier batches.

    Args:
        seed: seed of the run.
        epoch: epoch, from 0.
        before: windows of the epoch before the batch, on all ranks together.
        rank: the rank.
    """
    words = np.random.SeedSequence((seed, epoch, before, rank)).generate_state(1, np.uint64)
    torch.manual_seed(int(words[0]) >> 1)
