"""The same bits in every run, where that is asked for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from seizurekit.settings import make_cublas_deterministic


@contextmanager
def seeded(seed: int, deterministic: bool) -> Iterator[None]:
    """Fixes Python's, NumPy's and torch's generators; torch's choice of algorithms is as it was afterwards.

    Args:
        seed: of all of them.
        deterministic: only algorithms that give the same bits in every run; torch raises where it has none.
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
