"""How busy the GPU is while something runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seizurekit.training.telemetry.gpu import GpuMeter


@contextmanager
def gpu_utilisation() -> Iterator[list[float]]:
    """Utilisation of the first GPU while the block runs, in per cent; empty where there is none. Read it afterwards."""
    found: list[float] = []
    with GpuMeter(0, every_s=0.1) as meter:
        yield found
    found += meter.utilisation
