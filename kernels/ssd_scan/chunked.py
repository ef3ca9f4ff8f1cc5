"""The state-space scan as products of matrices, a chunk of steps at a time, in plain torch: the back end ``torch``.

Within a chunk the steps act on one another through a Q x Q matrix a head; from chunk to chunk only the states go on
(Dao and Gu 2024, section 6). Sums and exponentials are of float32, so that bfloat16 inputs lose nothing but their own
rounding; memory grows in line with the length. The shapes' letters are in the package's docstring.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from seizurekit.kernels.ssd_scan.reference import discretised, gated

CHUNK = {"cpu": 32, "cuda": 128}
"""Steps a chunk: more make the matrices larger, fewer the chain of states longer."""


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
    """y [B, L, H, P] of x's dtype and the final state [B, H, P, N], float32 (float64 for float64).

    `chunk_size` is the largest that is taken; no result depends on it but by rounding.
    """
    fitting = CHUNK.get(x_BLHP.device.type, 64)
    size = fitting if chunk_size is None else min(chunk_size, fitting)
    with torch.autocast(x_BLHP.device.type, enabled=False):
        wide = torch.float64 if x_BLHP.dtype == torch.float64 else torch.float32
        dt = discretised(dt_BLH, dt_bias_H, dt_softplus, dt_limit, wide)
        x = x_BLHP.to(wide)
        initial = None if initial_BHPN is None else initial_BHPN.to(wide)
        y, final = _scanned(x, dt, A_H.to(wide), B_BLGN.to(wide), C_BLGN.to(wide), initial, size, reverse)
        return gated(y, x, D, z_BLHP).to(x_BLHP.dtype), final


def why_not(device: torch.device) -> str | None:
    """Plain torch runs wherever torch does."""
    return None


def why_not_call(x_BLHP: Tensor, B_BLGN: Tensor, initial_BHPN: Tensor | None, reverse: bool) -> str | None:
    """Everything is served."""
    return None


def _scanned(
    x_BLHP: Tensor,
    dt_BLH: Tensor,
    A_H: Tensor,
    B_BLGN: Tensor,
    C_BLGN: Tensor,
    initial_BHPN: Tensor | None,
    size: int,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    batch, length, heads, channels = x_BLHP.shape
    groups, states = B_BLGN.shape[2:]
    padding = (length + size - 1) // size * size - length
    # Steps of no duration: what is padded changes no state. It lies where the scan ends, or backwards begins.
    side = (padding, 0) if reverse else (0, padding)
    dt_BKQH = functional.pad(dt_BLH, (0, 0, *side)).unflatten(1, (-1, size))
    u_BKQHP = functional.pad(x_BLHP * dt_BLH[..., None], (0, 0, 0, 0, *side)).unflatten(1, (-1, size))
    B_BKGQN, C_BKGQN = (
        functional.pad(part, (0, 0, 0, 0, *side)).unflatten(1, (-1, size)).transpose(2, 3) for part in (B_BLGN, C_BLGN)
    )
    log_decay_BKHQ = (dt_BKQH * A_H).transpose(2, 3)
    since_start = _sums_up_to(log_decay_BKHQ, reverse)
    whole_BKH1 = since_start[..., :1] if reverse else since_start[..., -1:]

    u_BKHQP = u_BKQHP.transpose(2, 3)
    # A compiler derives a backward of its own, and fuses what is written here step by step.
    within_chunk = _within_chunk if torch.compiler.is_compiling() else _WithinChunk.apply
    within: Tensor = within_chunk(since_start, C_BKGQN, B_BKGQN, u_BKHQP, reverse)

    left_BKHQP = u_BKHQP * torch.exp(whole_BKH1 - since_start)[..., None]
    added = _by_group(left_BKHQP, groups).transpose(-1, -2) @ B_BKGQN
    added_BKHPN = added.reshape(batch, -1, heads, channels, states)
    before_BKHPN, final = _chained(added_BKHPN, torch.exp(whole_BKH1)[..., None], initial_BHPN, reverse)
    carried = C_BKGQN @ before_BKHPN.reshape(batch, -1, groups, heads // groups * channels, states).transpose(-1, -2)
    carried_BKHQP = carried.unflatten(-1, (-1, channels)).transpose(3, 4).reshape(u_BKHQP.shape)

    y_BKHQP = within + carried_BKHQP * torch.exp(since_start)[..., None]
    y_BLHP = y_BKHQP.transpose(2, 3).flatten(1, 2)
    return y_BLHP[:, padding:] if reverse else y_BLHP[:, :length], final


def _sums_up_to(terms: Tensor, reverse: bool) -> Tensor:
    """Along the last dimension, from its beginning or its end, each term included."""
    if not reverse:
        return terms.cumsum(-1)
    return terms.sum(-1, keepdim=True) - terms.cumsum(-1) + terms


def _by_group(part_BKHQP: Tensor, groups: int) -> Tensor:
    """[B, K, G, Q, R P]: the channels of a group's heads side by side."""
    batch, chunks, heads, steps, channels = part_BKHQP.shape
    split = part_BKHQP.reshape(batch, chunks, groups, heads // groups, steps, channels)
    return split.transpose(3, 4).reshape(batch, chunks, groups, steps, heads // groups * channels)


def _chained(
    added_BKHPN: Tensor, decay_BKH11: Tensor, initial_BHPN: Tensor | None, reverse: bool
) -> tuple[Tensor, Tensor]:
    """The state before each chunk, and the one after all."""
    state = torch.zeros_like(added_BKHPN[:, 0]) if initial_BHPN is None else initial_BHPN
    before = []
    chunks = range(added_BKHPN.shape[1])
    for chunk in reversed(chunks) if reverse else chunks:
        before.append(state)
        state = torch.addcmul(added_BKHPN[:, chunk], state, decay_BKH11[:, chunk])
    return torch.stack(before[::-1] if reverse else before, dim=1), state


def _within_chunk(s_BKHQ: Tensor, C_BKGQN: Tensor, B_BKGQN: Tensor, u_BKHQP: Tensor, reverse: bool) -> Tensor:
    """``y_i = sum over j of exp(s_i - s_j) (C_i . B_j) u_j``, j up to i, or from i on where reversed."""
    decays = _decays(s_BKHQ, C_BKGQN.shape[2], reverse)
    y: Tensor = (decays * (C_BKGQN @ B_BKGQN.transpose(-1, -2))[:, :, :, None]).flatten(2, 3) @ u_BKHQP
    return y


class _WithinChunk(torch.autograd.Function):
    """The same with a backward of its own.

    Autograd would keep five matrices of Q x Q for every head; this keeps the arguments, and works in place.
    """

    @staticmethod
    def forward(ctx: Any, s_BKHQ: Tensor, C_BKGQN: Tensor, B_BKGQN: Tensor, u_BKHQP: Tensor, reverse: bool) -> Tensor:
        ctx.save_for_backward(s_BKHQ, C_BKGQN, B_BKGQN, u_BKHQP)
        ctx.reverse = reverse
        return _within_chunk(s_BKHQ, C_BKGQN, B_BKGQN, u_BKHQP, reverse)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy_BKHQP: Tensor) -> tuple[Tensor | None, ...]:
        s_BKHQ, C_BKGQN, B_BKGQN, u_BKHQP = ctx.saved_tensors
        groups = C_BKGQN.shape[2]
        decays = _decays(s_BKHQ, groups, ctx.reverse)
        products = (C_BKGQN @ B_BKGQN.transpose(-1, -2))[:, :, :, None]
        du = (decays * products).flatten(2, 3).transpose(-1, -2) @ dy_BKHQP
        dweights = (dy_BKHQP @ u_BKHQP.transpose(-1, -2)).unflatten(2, (groups, -1)).mul_(decays)
        dproducts = dweights.sum(3)
        dexponent = dweights.mul_(products).flatten(2, 3)
        ds = dexponent.sum(-1) - dexponent.sum(-2)
        return ds, dproducts @ B_BKGQN, dproducts.transpose(-1, -2) @ C_BKGQN, du, None


def _decays(s_BKHQ: Tensor, groups: int, reverse: bool) -> Tensor:
    """``exp(s_i - s_j)`` for the steps j that act on i and 0 for the others, [B, K, G, R, Q, Q]."""
    exponent = (s_BKHQ[..., :, None] - s_BKHQ[..., None, :]).unflatten(2, (groups, -1))
    steps = torch.ones(exponent.shape[-2:], dtype=torch.bool, device=exponent.device)
    later = steps.tril(-1) if reverse else steps.triu(1)
    # Masked before the exponential, which would be infinite there.
    decays: Tensor = exponent.masked_fill_(later, float("-inf")).exp_()
    return decays
