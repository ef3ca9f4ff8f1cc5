# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""Forward and backward kernels for sequences with the length innermost in memory.

A thread loads chunks of V consecutive samples of a channel, by one or two 16-byte accesses, and their neighbours.
Samples of another lag come from moving elements between the registers of a thread (`earlier`), not from more loads,
which would not be aligned. Chunks are visited in memory order in both directions: with REVERSE, the chunk before
another one in the order of the convolution is the one after it in memory. Lengths, strides and offsets are passed in
units of ALIGN elements, which tells the compiler that they are multiples of it.
"""

from __future__ import annotations

import triton
import triton.language as tl

from seizurekit.kernels.causal_conv1d.triton_states import (
    load_bias,
    load_dfinal,
    load_tap,
    silu,
    silu_gradient,
    store_dinitial,
    store_final,
    store_partial,
)


@triton.jit
def _earlier_of_2(b_neighbour, b_chunk, REVERSE: tl.constexpr):
    b_even, b_odd = tl.split(b_chunk)
    b_neighbour_even, b_neighbour_odd = tl.split(b_neighbour)
    return tl.join(b_odd, b_neighbour_even) if REVERSE else tl.join(b_neighbour_odd, b_even)


@triton.jit
def _earlier_of_4(b_neighbour, b_chunk, REVERSE: tl.constexpr):
    halves: tl.constexpr = (b_chunk.shape[0], b_chunk.shape[1], 2, 2)
    b_even, b_odd = tl.split(tl.reshape(b_chunk, halves))
    b_neighbour_even, b_neighbour_odd = tl.split(tl.reshape(b_neighbour, halves))
    if REVERSE:
        b_even, b_odd = b_odd, _earlier_of_2(b_neighbour_even, b_even, REVERSE)
    else:
        b_even, b_odd = _earlier_of_2(b_neighbour_odd, b_odd, REVERSE), b_even
    return tl.reshape(tl.join(b_even, b_odd), b_chunk.shape)


@triton.jit
def _earlier_of_8(b_neighbour, b_chunk, REVERSE: tl.constexpr):
    halves: tl.constexpr = (b_chunk.shape[0], b_chunk.shape[1], 4, 2)
    b_even, b_odd = tl.split(tl.reshape(b_chunk, halves))
    b_neighbour_even, b_neighbour_odd = tl.split(tl.reshape(b_neighbour, halves))
    if REVERSE:
        b_even, b_odd = b_odd, _earlier_of_4(b_neighbour_even, b_even, REVERSE)
    else:
        b_even, b_odd = _earlier_of_4(b_neighbour_odd, b_odd, REVERSE), b_even
    return tl.reshape(tl.join(b_even, b_odd), b_chunk.shape)


@triton.jit
def earlier(b_before, b_chunk, REVERSE: tl.constexpr):
    """Chunks [BD, BC, V] shifted by one sample: element i is element i - 1 (i + 1 with REVERSE) of the sequence."""
    if b_chunk.shape[2] == 8:
        b_moved = _earlier_of_8(b_before, b_chunk, REVERSE)
    else:
        b_moved = _earlier_of_4(b_before, b_chunk, REVERSE)
    return b_moved


@triton.jit
def _load_chunk(p_x, p_initial, o_t, o_d, m_d, stride_d, L, W: tl.constexpr, REVERSE: tl.constexpr):
    """Samples at o_t in memory order, extended by the initial state and zeros."""
    b_x = tl.load(p_x + o_d * stride_d + o_t, mask=m_d & (o_t >= 0) & (o_t < L), other=0)
    if p_initial is not None:
        o_s = L - 1 - o_t if REVERSE else o_t
        m_initial = m_d & (o_s < 0) & (o_s > -W)
        b_x += tl.load(p_initial + o_d * (W - 1) + (o_s + W - 1), mask=m_initial, other=0)
    return b_x


@triton.jit
def _pre_activation(b_x0, b_x1, b_x2, b_x3, b_w0, b_w1, b_w2, b_w3, b_bias, W: tl.constexpr, ACC: tl.constexpr):
    b_pre = b_bias + b_w0 * b_x0.to(ACC) + b_w1 * b_x1.to(ACC)
    if W > 2:
        b_pre += b_w2 * b_x2.to(ACC)
    if W > 3:
        b_pre += b_w3 * b_x3.to(ACC)
    return b_pre


@triton.jit
def _lags(b_before, b_x0, REVERSE: tl.constexpr):
    """The chunk shifted by one, two and three samples."""
    b_x1 = earlier(b_before, b_x0, REVERSE)
    b_before = earlier(b_before, b_before, REVERSE)  # its first element is wrong, and never used
    b_x2 = earlier(b_before, b_x1, REVERSE)
    b_before = earlier(b_before, b_before, REVERSE)
    return b_x1, b_x2, earlier(b_before, b_x2, REVERSE)


@triton.jit(do_not_specialize=["D", "L", "x_stride_b", "x_stride_d"])
def causal_conv1d_fwd_kernel_length_last(
    p_x, p_weight, p_bias, p_initial, p_y, p_final,
    D, L, x_stride_b, x_stride_d,
    W: tl.constexpr, SILU: tl.constexpr, REVERSE: tl.constexpr, ALIGN: tl.constexpr, ACC: tl.constexpr,
    BD: tl.constexpr, BC: tl.constexpr, V: tl.constexpr,
):  # fmt: skip
    """Writes y, dense, and the final state; the formula is in the package docstring."""
    D = D.to(tl.int64)
    L = L.to(tl.int64) * ALIGN
    i_program = tl.program_id(0).to(tl.int64)
    n_d, n_t = tl.cdiv(D, BD), tl.cdiv(L, BC * V)
    i_t, i_d, i_b = i_program % n_t, i_program // n_t % n_d, i_program // (n_t * n_d)
    x_stride_d = x_stride_d.to(tl.int64) * ALIGN
    p_x += i_b * (x_stride_b.to(tl.int64) * ALIGN)
    p_y += i_b * D * L
    if p_initial is not None:
        p_initial += i_b * D * (W - 1)
    o_channel = i_d * BD + tl.arange(0, BD)
    m_channel = o_channel < D
    if i_t == 0:
        p_first = p_x + (L - 1 if REVERSE else 0)
        p_end = p_final + i_b * D * (W - 1)
        store_final(p_first, p_initial, p_end, o_channel, m_channel, -1 if REVERSE else 1, x_stride_d, L, W)

    o_d, m_d = o_channel[:, None, None], m_channel[:, None, None]
    o_t = i_t * (BC * V) + (tl.arange(0, BC) * V)[None, :, None] + tl.arange(0, V)[None, None, :]
    BEFORE: tl.constexpr = V if REVERSE else -V
    b_bias = load_bias(p_bias, o_d, m_d, ACC)
    b_w0, b_w1 = load_tap(p_weight, o_d, m_d, 0, W, ACC), load_tap(p_weight, o_d, m_d, 1, W, ACC)
    b_w2, b_w3 = load_tap(p_weight, o_d, m_d, 2, W, ACC), load_tap(p_weight, o_d, m_d, 3, W, ACC)
    b_before = _load_chunk(p_x, p_initial, o_t + BEFORE, o_d, m_d, x_stride_d, L, W, REVERSE)
    b_x0 = _load_chunk(p_x, p_initial, o_t, o_d, m_d, x_stride_d, L, W, REVERSE)
    b_x1, b_x2, b_x3 = _lags(b_before, b_x0, REVERSE)
    b_pre = _pre_activation(b_x0, b_x1, b_x2, b_x3, b_w0, b_w1, b_w2, b_w3, b_bias, W, ACC)
    b_y = silu(b_pre) if SILU else b_pre
    tl.store(p_y + o_d * L + o_t, b_y.to(p_y.dtype.element_ty), mask=m_d & (o_t < L))


@triton.jit(do_not_specialize=["D", "L", "R", "dy_stride_b", "dy_stride_d", "x_stride_b", "x_stride_d"])
def causal_conv1d_bwd_kernel_length_last(
    p_dy, p_x, p_weight, p_bias, p_initial, p_dfinal, p_dx, p_partial, p_dinitial,
    D, L, R, dy_stride_b, dy_stride_d, x_stride_b, x_stride_d,
    W: tl.constexpr, SILU: tl.constexpr, REVERSE: tl.constexpr, ALIGN: tl.constexpr, ACC: tl.constexpr,
    BD: tl.constexpr, BC: tl.constexpr, V: tl.constexpr,
):  # fmt: skip
    """Writes dx, dense, the gradient of the initial state, and partial sums of dweight and dbias over R tiles.

    dx of a chunk depends on the gradient of pre in this chunk and the next one, so that is computed for both.
    """
    D = D.to(tl.int64)
    L = L.to(tl.int64) * ALIGN
    i_program = tl.program_id(0).to(tl.int64)
    n_d, n_t = tl.cdiv(D, BD), tl.cdiv(L, BC * V * R)
    i_t, i_d, i_b = i_program % n_t, i_program // n_t % n_d, i_program // (n_t * n_d)
    x_stride_d = x_stride_d.to(tl.int64) * ALIGN
    dy_stride_d = dy_stride_d.to(tl.int64) * ALIGN
    p_x += i_b * (x_stride_b.to(tl.int64) * ALIGN)
    p_dy += i_b * (dy_stride_b.to(tl.int64) * ALIGN)
    p_dx += i_b * D * L
    if p_dfinal is not None:
        p_dfinal += i_b * D * (W - 1)
    o_channel = i_d * BD + tl.arange(0, BD)
    m_channel = o_channel < D
    if p_initial is not None:
        p_initial += i_b * D * (W - 1)
        if i_t == 0:
            FIRST: tl.constexpr = -1 if REVERSE else 1
            o_first = L - 1 if REVERSE else 0
            store_dinitial(
                p_dy + o_first, p_x + o_first, p_weight, p_bias, p_initial, p_dfinal, p_dinitial + i_b * D * (W - 1),
                o_channel, m_channel, FIRST, dy_stride_d, FIRST, x_stride_d, L, W, SILU, ACC,
            )  # fmt: skip

    o_d, m_d = o_channel[:, None, None], m_channel[:, None, None]
    o_t = i_t * R * (BC * V) + (tl.arange(0, BC) * V)[None, :, None] + tl.arange(0, V)[None, None, :]
    AFTER: tl.constexpr = -V if REVERSE else V
    b_bias = load_bias(p_bias, o_d, m_d, ACC)
    b_w0, b_w1 = load_tap(p_weight, o_d, m_d, 0, W, ACC), load_tap(p_weight, o_d, m_d, 1, W, ACC)
    b_w2, b_w3 = load_tap(p_weight, o_d, m_d, 2, W, ACC), load_tap(p_weight, o_d, m_d, 3, W, ACC)
    b_zero = tl.zeros((BD, BC), ACC)
    b_dw0, b_dw1, b_dw2, b_dw3, b_dbias = b_zero, b_zero, b_zero, b_zero, b_zero
    for _ in range(R):
        b_x0 = _load_chunk(p_x, p_initial, o_t, o_d, m_d, x_stride_d, L, W, REVERSE)
        b_before = _load_chunk(p_x, p_initial, o_t - AFTER, o_d, m_d, x_stride_d, L, W, REVERSE)
        b_d0 = _load_chunk(p_dy, None, o_t, o_d, m_d, dy_stride_d, L, W, REVERSE).to(ACC)
        b_d_after = _load_chunk(p_dy, None, o_t + AFTER, o_d, m_d, dy_stride_d, L, W, REVERSE).to(ACC)
        b_x1, b_x2, b_x3 = _lags(b_before, b_x0, REVERSE)
        if SILU:
            b_after = _load_chunk(p_x, p_initial, o_t + AFTER, o_d, m_d, x_stride_d, L, W, REVERSE)
            b_a1, b_a2, b_a3 = _lags(b_x0, b_after, REVERSE)
            b_pre = _pre_activation(b_x0, b_x1, b_x2, b_x3, b_w0, b_w1, b_w2, b_w3, b_bias, W, ACC)
            b_d0 = tl.where(o_t < L, silu_gradient(b_d0, b_pre), 0)
            b_pre = _pre_activation(b_after, b_a1, b_a2, b_a3, b_w0, b_w1, b_w2, b_w3, b_bias, W, ACC)
            m_after = (o_t + AFTER >= 0) & (o_t + AFTER < L)
            b_d_after = tl.where(m_after, silu_gradient(b_d_after, b_pre), 0)
        b_d1, b_d2, b_d3 = _lags(b_d_after, b_d0, not REVERSE)
        b_dbias += tl.sum(b_d0, axis=2)
        b_dw0 += tl.sum(b_d0 * b_x0.to(ACC), axis=2)
        b_dw1 += tl.sum(b_d0 * b_x1.to(ACC), axis=2)
        b_dx = b_w0 * b_d0 + b_w1 * b_d1
        if W > 2:
            b_dw2 += tl.sum(b_d0 * b_x2.to(ACC), axis=2)
            b_dx += b_w2 * b_d2
        if W > 3:
            b_dw3 += tl.sum(b_d0 * b_x3.to(ACC), axis=2)
            b_dx += b_w3 * b_d3
        m_out = m_d & (o_t < L)
        if p_dfinal is not None:
            b_dx += load_dfinal(p_dfinal, L - 1 - o_t if REVERSE else o_t, o_d, m_out, L, W, ACC)
        tl.store(p_dx + o_d * L + o_t, b_dx.to(p_dx.dtype.element_ty), mask=m_out)
        o_t += BC * V

    i_row = i_b * n_t + i_t
    store_partial(p_partial, i_row, W - 1, tl.sum(b_dw0, axis=1), o_channel, m_channel, D, W)
    store_partial(p_partial, i_row, W - 2, tl.sum(b_dw1, axis=1), o_channel, m_channel, D, W)
    if W > 2:
        store_partial(p_partial, i_row, W - 3, tl.sum(b_dw2, axis=1), o_channel, m_channel, D, W)
    if W > 3:
        store_partial(p_partial, i_row, W - 4, tl.sum(b_dw3, axis=1), o_channel, m_channel, D, W)
    store_partial(p_partial, i_row, W, tl.sum(b_dbias, axis=1), o_channel, m_channel, D, W)
