"""From the store's fixed point to floating point, on whatever device the batch is."""

from __future__ import annotations

import importlib.util
from functools import cache

import torch
from torch import Tensor

from seizurekit.kernels.dequantize.reference import dequantize_reference


def dequantize(x: Tensor, step: float, dtype: torch.dtype) -> Tensor:
    """``x * step``, rounded once to `dtype`.

    Args:
        x: int16, of any shape, contiguous.
        step: value of one unit.
        dtype: torch.float32, float16 or bfloat16.
    """
    if x.is_cuda and _triton_is_there():
        from seizurekit.kernels.dequantize.triton import dequantize_triton

        out: Tensor = dequantize_triton(x, step, dtype)
    else:
        out = dequantize_reference(x, step, dtype)
    return out


@cache
def _triton_is_there() -> bool:
    return importlib.util.find_spec("triton") is not None
