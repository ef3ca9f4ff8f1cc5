"""The state-space scan one step after the other: the definition, slow, the oracle of the back ends in float64."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def discretised(
    dt_BLH: Tensor, dt_bias_H: Tensor | None, softplus: bool, limit: tuple[float, float], dtype: torch.dtype
) -> Tensor:
    """The step sizes as the recurrence uses them: bias added, softplus taken, limited."""
    dt_BLH = dt_BLH.to(dtype)
    if dt_bias_H is not None:
        dt_BLH = dt_BLH + dt_bias_H.to(dtype)
    if softplus:
        dt_BLH = functional.softplus(dt_BLH)
    return dt_BLH if limit == (0.0, float("inf")) else dt_BLH.clamp(*limit)


def step(
    state_BHPN: Tensor, x_BHP: Tensor, dt_BH: Tensor, A_H: Tensor, B_BGN: Tensor, C_BGN: Tensor
) -> tuple[Tensor, Tensor]:
    """The next state, and its output y [B, H, P] without D and z; dt is `discretised` already."""
    heads = x_BHP.shape[1] // B_BGN.shape[1]
    B_BHN, C_BHN = (part.repeat_interleave(heads, 1) for part in (B_BGN, C_BGN))
    taken_in = (x_BHP * dt_BH[..., None])[..., None] * B_BHN[:, :, None]
    state_BHPN = state_BHPN * torch.exp(dt_BH * A_H)[..., None, None] + taken_in
    return state_BHPN, (state_BHPN @ C_BHN[..., None])[..., 0]


def gated(y_BLHP: Tensor, x_BLHP: Tensor, D: Tensor | None, z_BLHP: Tensor | None) -> Tensor:
    """What follows the recurrence: D [H] or [H, P] times x is added, and SiLU of z multiplied."""
    if D is not None:
        y_BLHP = y_BLHP + x_BLHP * (D if D.ndim == 2 else D[:, None]).to(y_BLHP.dtype)
    return y_BLHP if z_BLHP is None else y_BLHP * functional.silu(z_BLHP.to(y_BLHP.dtype))


def scan(
    x_BLHP: Tensor,
    dt_BLH: Tensor,
    A_H: Tensor,
    B_BLGN: Tensor,
    C_BLGN: Tensor,
    chunk_size: int | None = None,
    D: Tensor | None = None,
    z_BLHP: Tensor | None = None,
    dt_bias_H: Tensor | None = None,
    initial_BHPN: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, float("inf")),
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """y [B, L, H, P] of x's dtype and the final state [B, H, P, N], float32 (float64 for float64)."""
    wide = torch.float64 if x_BLHP.dtype == torch.float64 else torch.float32
    batch, length, heads, channels = x_BLHP.shape
    dt = discretised(dt_BLH, dt_bias_H, dt_softplus, dt_limit, wide)
    x, B, C, A = (part.to(wide) for part in (x_BLHP, B_BLGN, C_BLGN, A_H))
    state = x.new_zeros((batch, heads, channels, B.shape[-1])) if initial_BHPN is None else initial_BHPN.to(wide)
    ys = [x.new_zeros((batch, heads, channels))] * length
    for t in reversed(range(length)) if reverse else range(length):
        state, ys[t] = step(state, x[:, t], dt[:, t], A, B[:, t], C[:, t])
    y = torch.stack(ys, dim=1) if ys else torch.zeros_like(x)
    return gated(y, x, D, z_BLHP).to(x_BLHP.dtype), state
