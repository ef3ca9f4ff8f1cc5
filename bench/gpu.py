"""The measured device: its name, and how busy a GPU is while a block runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bench.report import cpu_name
from seizurekit.training.telemetry.gpu import GpuMeter


def device_name(device: torch.device) -> str:
    """Name of the GPU, or of the processor with the number of torch's threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{cpu_name()}, {torch.get_num_threads()} threads"


@contextmanager
def gpu_utilisation() -> Iterator[list[float]]:
    """Samples the utilization of the first GPU, in percent, while the block runs.

    The list is filled when the block ends; it stays empty without a GPU.
    """
    samples: list[float] = []
    with GpuMeter(0, every_s=0.1) as meter:
        yield samples
    samples += meter.utilization
