"""Fixed point to floating point in one pass over the device's memory."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 4096


@triton.jit
def dequantize_fwd_kernel(p_x, p_out, n, step, BLOCK: tl.constexpr):
    """out[i] = x[i] * step, of float32, rounded to out's type."""
    i_block = tl.program_id(0).to(tl.int64)
    o_item = i_block * BLOCK + tl.arange(0, BLOCK)
    m_item = o_item < n
    b_x = tl.load(p_x + o_item, mask=m_item, other=0)
    b_out = b_x.to(tl.float32) * step
    tl.store(p_out + o_item, b_out.to(p_out.dtype.element_ty), mask=m_item)


def dequantize_triton(x: Tensor, step: float, dtype: torch.dtype) -> Tensor:
    """``x * step``, rounded once to `dtype`; x int16, contiguous, of any shape."""
    out = torch.empty(x.shape, dtype=dtype, device=x.device)
    n = x.numel()
    if n:
        dequantize_fwd_kernel[(triton.cdiv(n, _BLOCK),)](
            x.contiguous(), out, n, float(step), BLOCK=_BLOCK, enable_fp_fusion=True
        )
    return out
