"""int16 samples of the store to floating point, on the device of the batch."""

from __future__ import annotations

import importlib.util
from functools import cache

import torch
from torch import Tensor

from seizurekit.kernels.dequantize.reference import dequantize_reference

_BLOCK = 4096


def dequantize(x: Tensor, step: float, dtype: torch.dtype) -> Tensor:
    """``x * step``, rounded once to `dtype`.

    Args:
        x: int16, contiguous, any shape.
        step: value of one unit.
        dtype: torch.float32, float16 or bfloat16.
    """
    if x.is_cuda and _has_triton():
        return dequantize_triton(x, step, dtype)
    return dequantize_reference(x, step, dtype)


def dequantize_triton(x: Tensor, step: float, dtype: torch.dtype) -> Tensor:
    """The same as `dequantize`, by the Triton kernel."""
    from seizurekit.kernels.dequantize.triton_kernel import dequantize_fwd_kernel

    out = torch.empty(x.shape, dtype=dtype, device=x.device)
    n = x.numel()
    if n:
        blocks = -(-n // _BLOCK)
        dequantize_fwd_kernel[(blocks,)](x.contiguous(), out, n, float(step), BLOCK=_BLOCK, enable_fp_fusion=True)
    return out


@cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None
