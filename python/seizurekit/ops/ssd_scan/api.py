"""Mamba-2's state-space scan, causal or anti-causal, and its single step for streaming.

Source: Dao and Gu 2024 ("Transformers are SSMs"), as mamba-ssm's ``mamba_chunk_scan_combined`` and
``selective_state_update`` compute it. Shapes: B batch, L length, H heads, P channels per head, G groups, N states.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from torch import Tensor
from torch.nn import functional

from seizurekit.kernels.ssd_scan.contract import ScanInputs, ScanOptions
from seizurekit.kernels.ssd_scan.reference import forward
from seizurekit.ops.ssd_scan import operator as operator  # registers the operators
from seizurekit.ops.ssd_scan.checks import check_scan, check_step

_NO_LIMIT = (0.0, float("inf"))


@overload
def ssd_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int | None = None,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    initial_states: Tensor | None = None,
    seq_idx: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = _NO_LIMIT,
    return_final_states: Literal[False] = False,
    reverse: bool = False,
    backend: str | None = None,
) -> Tensor: ...
@overload
def ssd_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int | None = None,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    initial_states: Tensor | None = None,
    seq_idx: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = _NO_LIMIT,
    *,
    return_final_states: Literal[True],
    reverse: bool = False,
    backend: str | None = None,
) -> tuple[Tensor, Tensor]: ...
def ssd_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int | None = None,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    initial_states: Tensor | None = None,
    seq_idx: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = _NO_LIMIT,
    return_final_states: bool = False,
    reverse: bool = False,
    backend: str | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Computes the linear recurrence of each head over time, in chunks.

    ``state[t] = exp(dt[t] * A) * state[t - 1] + dt[t] * x[t] (outer) B[t]``; ``y[t] = state[t] @ C[t] + D * x[t]``,
    times SiLU(z). First dt_bias is added to dt, then softplus is applied, then dt is clamped. dt, A, the sums over time
    and the states are float32 (float64 for float64), whatever the inputs and autocast are.

    Args:
        x: [B, L, H, P] float32, bfloat16, float16 or float64.
        dt: [B, L, H], step sizes, x's dtype or float32.
        A: [H], negative: the decay rates of the states.
        B: [B, L, G, N], x's dtype; H is a multiple of G, and consecutive heads share a group.
        C: as B.
        chunk_size: samples computed at once; affects speed only. None lets the back end decide, which may also use
            smaller chunks than requested.
        D: [H] or [H, P], factors of the skip connection.
        z: as x, the gate.
        dt_bias: [H].
        initial_states: [B, H, P, N], the state before the first sample; None for zeros.
        seq_idx: [B, L] integers, the index of the sequence that a sample belongs to if several are packed into a row.
            The state is reset where it changes; `initial_states` belong to sequence 0.
        dt_softplus: whether dt goes through softplus.
        dt_limit: the smallest and the largest dt.
        return_final_states: also return the state after the last sample.
        reverse: the anti-causal direction: the scan of all inputs flipped along L, flipped back; the states are those
            of the flipped sequence. ``torch`` flips nothing in memory.
        backend: the only back end to use, ``mamba-ssm`` or ``torch``; None selects the first one that works.

    Returns:
        y [B, L, H, P], x's dtype; with `return_final_states` also the final state [B, H, P, N], float32 (float64 for
        float64).

    Raises:
        ValueError: a shape, dtype or device does not fit; names the argument, its value and the expected one.
        BackendError: `backend` cannot compute this call; has the reason.
    """
    check_scan(x, dt, A, B, C, chunk_size, D, z, dt_bias, initial_states, seq_idx, dt_limit)
    y, final = torch.ops.seizurekit.ssd_scan(
        x,
        dt,
        A,
        B,
        C,
        D,
        dt_bias,
        initial_states,
        seq_idx,
        chunk_size or 0,
        dt_softplus,
        float(dt_limit[0]),
        float(dt_limit[1]),
        reverse,
        backend or "",
    )
    if z is not None:
        y = _gate(y, z)
    return (y, final) if return_final_states else y


def ssd_step(
    state: Tensor,
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = _NO_LIMIT,
) -> Tensor:
    """Computes one more sample of the recurrence, for streaming; plain torch on any device, not differentiable.

    Args:
        state: [B, H, P, N], any floating dtype; updated in place.
        x: [B, H, P].
        dt: [B, H].
        A: [H].
        B: [B, G, N].
        C: as B.
        D: as for `ssd_scan`.
        z: as x.
        dt_bias: as for `ssd_scan`.
        dt_softplus: as for `ssd_scan`.
        dt_limit: as for `ssd_scan`.

    Returns:
        y [B, H, P], x's dtype.

    Raises:
        ValueError: a shape, dtype or device does not fit.
    """
    check_step(state, x, dt, A, B, C, D, z, dt_bias, dt_limit)
    inputs = ScanInputs(x[:, None], dt[:, None], A, B[:, None], C[:, None], D, dt_bias, state)
    with torch.no_grad():
        y, final = forward(inputs, ScanOptions(dt_softplus=dt_softplus, dt_limit=dt_limit))
        state.copy_(final)
    return y[:, 0] if z is None else _gate(y[:, 0], z)


def _gate(y: Tensor, z: Tensor) -> Tensor:
    if y.dtype in (torch.float32, torch.float64):
        return y * functional.silu(z)
    return (y.float() * functional.silu(z.float())).to(y.dtype)
