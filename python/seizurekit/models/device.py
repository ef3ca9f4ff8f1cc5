"""The device that a run is to use."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from seizurekit.errors import ConfigError


def pick_device(name: str, field: str) -> torch.device:
    """The device of that name; ``auto`` is CUDA where it is there, else the CPU.

    Raises:
        ConfigError: this machine does not have it; names `field`.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
        there = count[device.type]
    except (RuntimeError, KeyError):
        raise ConfigError(f"{field}: found {name!r}, wanted auto, cpu, cuda, cuda:1, …") from None
    if (device.index or 0) >= there:
        raise ConfigError(f"{field}: found {name}, which this machine does not have; wanted auto or cpu")
    return device


def autocast(
    device: torch.device, precision: Literal["float32", "bfloat16", "float16"]
) -> AbstractContextManager[object]:
    """Context of a forward pass in a precision: autocast to bfloat16 or float16, no change for float32."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, precision))
