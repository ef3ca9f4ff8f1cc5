"""The device and the precision that a model runs in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from seizurekit.errors import ConfigError


def pick_device(name: str, field: str) -> torch.device:
    """The device of that name; ``auto`` is a CUDA device if there is one, otherwise the CPU.

    Raises:
        ConfigError: this machine does not have the device; names `field`.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
        available = count[device.type]
    except (RuntimeError, KeyError):
        raise ConfigError(f"{field} is {name!r}, expected auto, cpu, cuda, cuda:1, …") from None
    if (device.index or 0) >= available:
        raise ConfigError(f"{field} is {name}, which this machine does not have; use auto or cpu")
    return device


def autocast(
    device: torch.device, precision: Literal["float32", "bfloat16", "float16"]
) -> AbstractContextManager[object]:
    """Context of a forward pass in a precision: autocast to bfloat16 or float16, no change for float32."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, precision))
