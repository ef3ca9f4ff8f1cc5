"""The precision of a forward pass."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch


def autocast(
    device: torch.device, precision: Literal["float32", "bfloat16", "float16"]
) -> AbstractContextManager[object]:
    """The context of a forward pass on that device, by ``training.precision``: autocast, or nothing for float32."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, precision))
