# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Forward and backward kernels for sequences with channels innermost in memory.

A program computes BD channels of BG runs of R consecutive samples. A thread walks along its runs and keeps the last
three samples in registers, so only the three samples before (and, backward, after) a run are loaded twice. The next
sample is loaded before the current one is used. Channels, strides and offsets are passed in units of ALIGN elements,
which tells the compiler that they are multiples of it, so it makes accesses of up to 16 bytes.
"""

from __future__ import annotations

import triton
import triton.language as tl

from seizurekit.kernels.causal_conv1d.triton_states import (
    load_bias,
    load_dfinal,
    load_extended,
    load_tap,
    silu,
    silu_gradient,
    store_dinitial,
    store_final,
    store_partial,
)


@triton.jit(do_not_specialize=["D", "L", "R", "x_stride_b", "x_stride_s"])
def causal_conv1d_fwd_kernel_channels_last(
    p_x, p_weight, p_bias, p_initial, p_y, p_final,
    D, L, R, x_stride_b, x_stride_s,
    W: tl.constexpr, SILU: tl.constexpr, REVERSE: tl.constexpr, ALIGN: tl.constexpr, ACC: tl.constexpr,
    BG: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """Writes y, dense, and the final state; the formula is in the package docstring."""
    D = D.to(tl.int64) * ALIGN
    L = L.to(tl.int64)
    i_program = tl.program_id(0).to(tl.int64)
    n_d, n_t = tl.cdiv(D, BD), tl.cdiv(L, BG * R)
    i_d, i_t, i_b = i_program % n_d, i_program // n_d % n_t, i_program // (n_d * n_t)
    x_stride_s = x_stride_s.to(tl.int64) * ALIGN
    y_stride_s = D
    p_x += i_b * (x_stride_b.to(tl.int64) * ALIGN)
    p_y += i_b * L * D
    if REVERSE:
        p_x += (L - 1) * x_stride_s
        p_y += (L - 1) * y_stride_s
        x_stride_s, y_stride_s = -x_stride_s, -y_stride_s
    if p_initial is not None:
        p_initial += i_b * D * (W - 1)
    o_channel = i_d * BD + tl.arange(0, BD)
    m_channel = o_channel < D
    if i_t == 0:
        store_final(p_x, p_initial, p_final + i_b * D * (W - 1), o_channel, m_channel, x_stride_s, 1, L, W)

    o_d, m_d = o_channel[None, :], m_channel[None, :]
    o_s = (i_t * BG * R + tl.arange(0, BG) * R)[:, None]
    b_bias = load_bias(p_bias, o_d, m_d, ACC)
    b_w0, b_w1 = load_tap(p_weight, o_d, m_d, 0, W, ACC), load_tap(p_weight, o_d, m_d, 1, W, ACC)
    b_w2, b_w3 = load_tap(p_weight, o_d, m_d, 2, W, ACC), load_tap(p_weight, o_d, m_d, 3, W, ACC)
    b_x3 = load_extended(p_x, p_initial, o_s - 3, o_d, m_d, x_stride_s, 1, L, W)
    b_x2 = load_extended(p_x, p_initial, o_s - 2, o_d, m_d, x_stride_s, 1, L, W)
    b_x1 = load_extended(p_x, p_initial, o_s - 1, o_d, m_d, x_stride_s, 1, L, W)
    p_next = p_x + o_s * x_stride_s + o_d
    p_out = p_y + o_s * y_stride_s + o_d
    b_next = tl.load(p_next, mask=m_d & (o_s < L), other=0)
    for _ in range(R):
        b_x0 = b_next
        p_next += x_stride_s
        b_next = tl.load(p_next, mask=m_d & (o_s + 1 < L), other=0)
        b_pre = b_bias + b_w0 * b_x0.to(ACC) + b_w1 * b_x1.to(ACC)
        if W > 2:
            b_pre += b_w2 * b_x2.to(ACC)
        if W > 3:
            b_pre += b_w3 * b_x3.to(ACC)
        b_y = silu(b_pre) if SILU else b_pre
        tl.store(p_out, b_y.to(p_y.dtype.element_ty), mask=m_d & (o_s < L))
        p_out += y_stride_s
        o_s += 1
        b_x3, b_x2, b_x1 = b_x2, b_x1, b_x0


@triton.jit(do_not_specialize=["D", "L", "R", "dy_stride_b", "dy_stride_s", "x_stride_b", "x_stride_s"])
def causal_conv1d_bwd_kernel_channels_last(
    p_dy, p_x, p_weight, p_bias, p_initial, p_dfinal, p_dx, p_partial, p_dinitial,
    D, L, R, dy_stride_b, dy_stride_s, x_stride_b, x_stride_s,
    W: tl.constexpr, SILU: tl.constexpr, REVERSE: tl.constexpr, ALIGN: tl.constexpr, ACC: tl.constexpr,
    BG: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """Writes dx, dense, the gradient of the initial state, and this program's partial sums of dweight and dbias.

    dx of a sample depends on the gradient of pre at this sample and the next three, so dx is written three steps late.
    """
    D = D.to(tl.int64) * ALIGN
    L = L.to(tl.int64)
    i_program = tl.program_id(0).to(tl.int64)
    n_d, n_t = tl.cdiv(D, BD), tl.cdiv(L, BG * R)
    i_d, i_t, i_b = i_program % n_d, i_program // n_d % n_t, i_program // (n_d * n_t)
    x_stride_s = x_stride_s.to(tl.int64) * ALIGN
    dy_stride_s = dy_stride_s.to(tl.int64) * ALIGN
    dx_stride_s = D
    p_x += i_b * (x_stride_b.to(tl.int64) * ALIGN)
    p_dy += i_b * (dy_stride_b.to(tl.int64) * ALIGN)
    p_dx += i_b * L * D
    if REVERSE:
        p_x += (L - 1) * x_stride_s
        p_dy += (L - 1) * dy_stride_s
        p_dx += (L - 1) * dx_stride_s
        x_stride_s, dy_stride_s, dx_stride_s = -x_stride_s, -dy_stride_s, -dx_stride_s
    if p_dfinal is not None:
        p_dfinal += i_b * D * (W - 1)
    o_channel = i_d * BD + tl.arange(0, BD)
    m_channel = o_channel < D
    if p_initial is not None:
        p_initial += i_b * D * (W - 1)
        if i_t == 0:
            store_dinitial(
                p_dy, p_x, p_weight, p_bias, p_initial, p_dfinal, p_dinitial + i_b * D * (W - 1), o_channel, m_channel,
                dy_stride_s, 1, x_stride_s, 1, L, W, SILU, ACC,
            )  # fmt: skip

    o_d, m_d = o_channel[None, :], m_channel[None, :]
    o_s = (i_t * BG * R + tl.arange(0, BG) * R)[:, None]
    o_first, o_end = o_s, o_s + R
    b_bias = load_bias(p_bias, o_d, m_d, ACC)
    b_w0, b_w1 = load_tap(p_weight, o_d, m_d, 0, W, ACC), load_tap(p_weight, o_d, m_d, 1, W, ACC)
    b_w2, b_w3 = load_tap(p_weight, o_d, m_d, 2, W, ACC), load_tap(p_weight, o_d, m_d, 3, W, ACC)
    b_x3 = load_extended(p_x, p_initial, o_s - 3, o_d, m_d, x_stride_s, 1, L, W)
    b_x2 = load_extended(p_x, p_initial, o_s - 2, o_d, m_d, x_stride_s, 1, L, W)
    b_x1 = load_extended(p_x, p_initial, o_s - 1, o_d, m_d, x_stride_s, 1, L, W)
    # Three zeros: Triton takes a variable for a constant if its first value is that of the variable assigned to it.
    b_d3, b_d2, b_d1 = tl.zeros((BG, BD), ACC), tl.zeros((BG, BD), ACC), tl.zeros((BG, BD), ACC)
    b_zero = tl.zeros((BG, BD), ACC)
    b_dw0, b_dw1, b_dw2, b_dw3, b_dbias = b_zero, b_zero, b_zero, b_zero, b_zero
    p_next_x = p_x + o_s * x_stride_s + o_d
    p_next_dy = p_dy + o_s * dy_stride_s + o_d
    p_out = p_dx + (o_s - 3) * dx_stride_s + o_d
    b_next_x = tl.load(p_next_x, mask=m_d & (o_s < L), other=0)
    b_next_dy = tl.load(p_next_dy, mask=m_d & (o_s < L), other=0)
    for _ in range(R + 3):
        b_x0 = b_next_x
        b_d0 = b_next_dy.to(ACC)
        p_next_x += x_stride_s
        p_next_dy += dy_stride_s
        m_next = m_d & (o_s + 1 < L) & (o_s < o_end + 2)
        b_next_x = tl.load(p_next_x, mask=m_next, other=0)
        b_next_dy = tl.load(p_next_dy, mask=m_next, other=0)
        if SILU:
            b_pre = b_bias + b_w0 * b_x0.to(ACC) + b_w1 * b_x1.to(ACC)
            if W > 2:
                b_pre += b_w2 * b_x2.to(ACC)
            if W > 3:
                b_pre += b_w3 * b_x3.to(ACC)
            b_d0 = tl.where(o_s < L, silu_gradient(b_d0, b_pre), 0)
        b_own = tl.where(o_s < o_end, b_d0, 0)
        b_dbias += b_own
        b_dw0 += b_own * b_x0.to(ACC)
        b_dw1 += b_own * b_x1.to(ACC)
        b_dx = b_w0 * b_d3 + b_w1 * b_d2
        if W > 2:
            b_dw2 += b_own * b_x2.to(ACC)
            b_dx += b_w2 * b_d1
        if W > 3:
            b_dw3 += b_own * b_x3.to(ACC)
            b_dx += b_w3 * b_d0
        m_out = m_d & (o_s - 3 < L) & (o_s - 3 >= o_first)
        if p_dfinal is not None:
            b_dx += load_dfinal(p_dfinal, o_s - 3, o_d, m_out, L, W, ACC)
        tl.store(p_out, b_dx.to(p_dx.dtype.element_ty), mask=m_out)
        p_out += dx_stride_s
        o_s += 1
        b_x3, b_x2, b_x1 = b_x2, b_x1, b_x0
        b_d3, b_d2, b_d1 = b_d2, b_d1, b_d0

    i_row = i_b * n_t + i_t
    store_partial(p_partial, i_row, W - 1, tl.sum(b_dw0, axis=0), o_channel, m_channel, D, W)
    store_partial(p_partial, i_row, W - 2, tl.sum(b_dw1, axis=0), o_channel, m_channel, D, W)
    if W > 2:
        store_partial(p_partial, i_row, W - 3, tl.sum(b_dw2, axis=0), o_channel, m_channel, D, W)
    if W > 3:
        store_partial(p_partial, i_row, W - 4, tl.sum(b_dw3, axis=0), o_channel, m_channel, D, W)
    store_partial(p_partial, i_row, W, tl.sum(b_dbias, axis=0), o_channel, m_channel, D, W)
