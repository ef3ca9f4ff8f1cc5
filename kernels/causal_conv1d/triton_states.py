# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Code shared by the Triton kernels of both layouts: activation, states, sums of weight gradients; and the step kernel.

``s`` counts samples in the order of the convolution; with ``reverse``, p_x points at the last sample of a sequence
and the stride of s is negative. The lag of tap k is the number of samples it looks back: W - 1 - k.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def silu(b_pre):
    """``pre * sigmoid(pre)``."""
    return b_pre / (1 + tl.exp(-b_pre))


@triton.jit
def silu_gradient(b_dy, b_pre):
    """The gradient of pre, given the gradient of SiLU(pre)."""
    b_sigmoid = 1 / (1 + tl.exp(-b_pre))
    return b_dy * b_sigmoid * (1 + b_pre * (1 - b_sigmoid))


@triton.jit
def load_tap(p_weight, o_d, m_d, LAG: tl.constexpr, W: tl.constexpr, ACC: tl.constexpr):
    """The weights of one lag; zeros if the filter is shorter."""
    b_tap = tl.zeros(o_d.shape, ACC)
    if LAG < W:
        b_tap = tl.load(p_weight + o_d * W + (W - 1 - LAG), mask=m_d, other=0).to(ACC)
    return b_tap


@triton.jit
def load_bias(p_bias, o_d, m_d, ACC: tl.constexpr):
    """The bias; zeros if it is None."""
    b_bias = tl.zeros(o_d.shape, ACC)
    if p_bias is not None:
        b_bias = tl.load(p_bias + o_d, mask=m_d, other=0).to(ACC)
    return b_bias


@triton.jit
def load_extended(p_x, p_initial, o_s, o_d, m_d, stride_s, stride_d, L, W: tl.constexpr):
    """Samples o_s of channels o_d; before sample 0 those of the initial state, zeros elsewhere."""
    b_x = tl.load(p_x + o_s * stride_s + o_d * stride_d, mask=m_d & (o_s >= 0) & (o_s < L), other=0)
    if p_initial is not None:
        m_initial = m_d & (o_s < 0) & (o_s > -W)
        b_x += tl.load(p_initial + o_d * (W - 1) + (o_s + W - 1), mask=m_initial, other=0)
    return b_x


@triton.jit
def store_final(p_x, p_initial, p_final, o_d, m_d, stride_s, stride_d, L, W: tl.constexpr):
    """Writes the last W - 1 samples of the initial state followed by x."""
    for column in tl.static_range(W - 1):
        o_s = L - (W - 1) + column + tl.zeros_like(o_d)
        b_x = load_extended(p_x, p_initial, o_s, o_d, m_d, stride_s, stride_d, L, W)
        tl.store(p_final + o_d * (W - 1) + column, b_x, mask=m_d)


@triton.jit
def load_dfinal(p_dfinal, o_s, o_d, m, L, W: tl.constexpr, ACC: tl.constexpr):
    """The gradient that the final state adds to samples o_s: zeros except for the last W - 1."""
    o_column = o_s - (L - (W - 1))
    m_final = m & (o_column >= 0) & (o_column < W - 1)
    return tl.load(p_dfinal + o_d * (W - 1) + o_column, mask=m_final, other=0).to(ACC)


@triton.jit
def store_dinitial(
    p_dy, p_x, p_weight, p_bias, p_initial, p_dfinal, p_dinitial, o_d, m_d,
    dy_stride_s, dy_stride_d, x_stride_s, x_stride_d, L,
    W: tl.constexpr, SILU: tl.constexpr, ACC: tl.constexpr,
):  # fmt: skip
    """Writes the gradient of the initial state, from the first W - 1 outputs and, if L < W - 1, the final state."""
    b_bias = load_bias(p_bias, o_d, m_d, ACC)
    for column in tl.static_range(W - 1):
        b_sum = tl.zeros(o_d.shape, ACC)
        for s in tl.static_range(column + 1):
            o_s = s + tl.zeros_like(o_d)
            b_dpre = tl.load(p_dy + s * dy_stride_s + o_d * dy_stride_d, mask=m_d & (o_s < L), other=0).to(ACC)
            if SILU:
                b_pre = b_bias
                for lag in tl.static_range(W):
                    b_x = load_extended(p_x, p_initial, o_s - lag, o_d, m_d, x_stride_s, x_stride_d, L, W)
                    b_pre += b_x.to(ACC) * load_tap(p_weight, o_d, m_d, lag, W, ACC)
                b_dpre = tl.where(o_s < L, silu_gradient(b_dpre, b_pre), 0)
            b_sum += b_dpre * load_tap(p_weight, o_d, m_d, W - 1 - column + s, W, ACC)
        if p_dfinal is not None:
            o_s = column - (W - 1) + tl.zeros_like(o_d)
            b_sum += load_dfinal(p_dfinal, o_s, o_d, m_d, L, W, ACC)
        p_column = p_dinitial + o_d * (W - 1) + column
        tl.store(p_column, b_sum.to(p_dinitial.dtype.element_ty), mask=m_d)


@triton.jit
def store_partial(p_partial, i_row, LINE: tl.constexpr, b_sum, o_d, m_d, D, W: tl.constexpr):
    """Writes one line of a program's partial sums over batch and time: lines 0 to W - 1 are taps, W is the bias."""
    tl.store(p_partial + (i_row * (W + 1) + LINE) * D + o_d, b_sum, mask=m_d)


@triton.jit(do_not_specialize=["ROWS", "D"])
def causal_conv1d_bwd_sum_kernel(
    p_partial, p_dweight, p_dbias, ROWS, D, W: tl.constexpr, BP: tl.constexpr, BD: tl.constexpr
):
    """Sums partial sums [ROWS, W + 1, D] to dweight [D, W] and dbias [D], in a fixed order."""
    o_d = tl.program_id(0).to(tl.int64) * BD + tl.arange(0, BD)
    i_line = tl.program_id(1)
    b_sum = tl.zeros((BP, BD), p_partial.dtype.element_ty)
    for i_first in range(0, ROWS, BP):
        o_row = i_first + tl.arange(0, BP).to(tl.int64)[:, None]
        m_row = (o_row < ROWS) & (o_d < D)[None, :]
        b_sum += tl.load(p_partial + (o_row * (W + 1) + i_line) * D + o_d[None, :], mask=m_row, other=0)
    b_line = tl.sum(b_sum, axis=0)
    if i_line < W:
        tl.store(p_dweight + o_d * W + i_line, b_line.to(p_dweight.dtype.element_ty), mask=o_d < D)
    elif p_dbias is not None:
        tl.store(p_dbias + o_d, b_line.to(p_dbias.dtype.element_ty), mask=o_d < D)


@triton.jit(do_not_specialize=["ROWS", "D", "N", "x_stride_b", "x_stride_d"])
def causal_conv1d_update_kernel(
    p_x, p_state, p_weight, p_bias, p_y, ROWS, D, N, x_stride_b, x_stride_d,
    W: tl.constexpr, SILU: tl.constexpr, ACC: tl.constexpr, BR: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """One sample of each of ROWS = B * D sequences; shifts the state [ROWS, N] by one column and appends x."""
    o_row = tl.program_id(0).to(tl.int64) * BR + tl.arange(0, BR)
    m_row = o_row < ROWS
    o_d = o_row % D
    b_x = tl.load(p_x + (o_row // D) * x_stride_b + o_d * x_stride_d, mask=m_row, other=0)
    b_pre = load_bias(p_bias, o_d, m_row, ACC) + b_x.to(ACC) * load_tap(p_weight, o_d, m_row, 0, W, ACC)
    for lag in tl.static_range(1, W):
        b_before = tl.load(p_state + o_row * N + (N - lag), mask=m_row, other=0).to(ACC)
        b_pre += b_before * load_tap(p_weight, o_d, m_row, lag, W, ACC)
    b_y = silu(b_pre) if SILU else b_pre
    tl.store(p_y + o_row, b_y.to(p_y.dtype.element_ty), mask=m_row)
    o_n = tl.arange(0, BN)[None, :]
    p_column = p_state + o_row[:, None] * N + o_n
    b_state = tl.load(p_column + 1, mask=m_row[:, None] & (o_n < N - 1), other=0)
    b_state = tl.where(o_n == N - 1, b_x[:, None], b_state)
    tl.debug_barrier()  # a thread may write an element that another one reads
    tl.store(p_column, b_state, mask=m_row[:, None] & (o_n < N))
