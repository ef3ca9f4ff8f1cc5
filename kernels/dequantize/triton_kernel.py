# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators
"""int16 to floating point in one pass over device memory."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def dequantize_fwd_kernel(p_x, p_out, n, step, BLOCK: tl.constexpr):
    """out[i] = x[i] * step, computed in float32 and rounded to out's dtype."""
    i_block = tl.program_id(0).to(tl.int64)
    o_item = i_block * BLOCK + tl.arange(0, BLOCK)
    m_item = o_item < n
    b_x = tl.load(p_x + o_item, mask=m_item, other=0)
    b_out = b_x.to(tl.float32) * step
    tl.store(p_out + o_item, b_out.to(p_out.dtype.element_ty), mask=m_item)
