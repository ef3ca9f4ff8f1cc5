"""int16 to floating point in plain torch."""

from __future__ import annotations

import torch
from torch import Tensor


def dequantize_reference(x: Tensor, step: float, dtype: torch.dtype) -> Tensor:
    """``x * step`` computed in float32, then rounded to `dtype`; x is int16 of any shape."""
    return (x.to(torch.float32) * step).to(dtype)
