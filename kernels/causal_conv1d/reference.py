"""The causal convolution in plain torch, on any device: the back end ``torch``, and in float64 the others' oracle.

The formulas, the names of the dimensions and the contract of a back end are in the package's docstring.
"""

from __future__ import annotations

import torch
from torch import Tensor


def forward(
    x_BDL: Tensor, weight_DW: Tensor, bias_D: Tensor | None, initial_BDS: Tensor | None, silu: bool, reverse: bool
) -> tuple[Tensor, Tensor]:
    """The outputs [B, D, L] and the final state [B, D, S], both of x's dtype."""
    extended = _extended(x_BDL, initial_BDS, weight_DW.shape[1] - 1, reverse)
    pre = _before_activation(extended, weight_DW, bias_D, x_BDL.shape[2], reverse)
    y_BDL = empty_like_layout(x_BDL)
    y_BDL.copy_(pre * torch.sigmoid(pre) if silu else pre)
    states = weight_DW.shape[1] - 1
    final = extended[:, :, :states].flip(-1) if reverse else extended[:, :, extended.shape[2] - states :]
    return y_BDL, final.contiguous()


def backward(
    dy_BDL: Tensor,
    x_BDL: Tensor,
    weight_DW: Tensor,
    bias_D: Tensor | None,
    initial_BDS: Tensor | None,
    dfinal_BDS: Tensor | None,
    silu: bool,
    reverse: bool,
    deterministic: bool,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """The gradients of x, weight, bias and the initial state; None for those that are not there."""
    length, states = x_BDL.shape[2], weight_DW.shape[1] - 1
    sums = _sum_dtype(x_BDL)
    extended = _extended(x_BDL, initial_BDS, states, reverse).to(sums)
    dpre = dy_BDL.to(sums)
    if silu:
        pre = _before_activation(extended, weight_DW, bias_D, length, reverse)
        sigmoid = torch.sigmoid(pre)
        dpre = dpre * sigmoid * (1 + pre * (1 - sigmoid))
    dextended = torch.zeros_like(extended)
    dweight = torch.zeros(weight_DW.shape, dtype=sums, device=x_BDL.device)
    for tap, offset in _offsets(weight_DW, reverse):
        dextended[:, :, offset : offset + length] += dpre * weight_DW[:, tap, None].to(sums)
        dweight[:, tap] = (dpre * extended[:, :, offset : offset + length]).sum((0, 2))
    if dfinal_BDS is not None and reverse:
        dextended[:, :, :states] += dfinal_BDS.flip(-1)
    elif dfinal_BDS is not None:
        dextended[:, :, length:] += dfinal_BDS
    start = 0 if reverse else states
    dx_BDL = empty_like_layout(x_BDL)
    dx_BDL.copy_(dextended[:, :, start : start + length])
    dbias = None if bias_D is None else dpre.sum((0, 2)).to(bias_D.dtype)
    dinitial = None
    if initial_BDS is not None:
        edge = dextended[:, :, length:].flip(-1) if reverse else dextended[:, :, :states]
        dinitial = edge.to(x_BDL.dtype).contiguous()
    return dx_BDL, dweight.to(weight_DW.dtype), dbias, dinitial


def update(x_BD: Tensor, state_BDN: Tensor, weight_DW: Tensor, bias_D: Tensor | None, silu: bool) -> Tensor:
    """The outputs [B, D] of one more sample a channel; the state, N >= S columns with the newest last, takes it in."""
    before = state_BDN[:, :, state_BDN.shape[2] - weight_DW.shape[1] + 1 :]
    y_BD1, _ = forward(x_BD[:, :, None], weight_DW, bias_D, before, silu, reverse=False)
    state_BDN.copy_(torch.cat((state_BDN[:, :, 1:], x_BD[:, :, None]), dim=2))
    return y_BD1[:, :, 0]


def why_not(device: torch.device) -> str | None:
    """Plain torch runs wherever torch does."""
    return None


def why_not_call(x_BDL: Tensor, weight_DW: Tensor, initial_BDS: Tensor | None, reverse: bool) -> str | None:
    """Everything that the contract allows is served."""
    return None


def channels_last(x_BDL: Tensor) -> bool:
    """Whether D is innermost in memory, and not L."""
    return x_BDL.stride(1) == 1 and x_BDL.stride(2) != 1


def empty_like_layout(x_BDL: Tensor) -> Tensor:
    """A dense tensor of x's shape and dtype, unfilled, with the same dimension innermost."""
    batch, channels, length = x_BDL.shape
    if channels_last(x_BDL):
        return torch.empty((batch, length, channels), dtype=x_BDL.dtype, device=x_BDL.device).transpose(1, 2)
    return torch.empty((batch, channels, length), dtype=x_BDL.dtype, device=x_BDL.device)


def _sum_dtype(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _extended(x_BDL: Tensor, initial_BDS: Tensor | None, states: int, reverse: bool) -> Tensor:
    """The samples and, on the side that the convolution comes from, the state, in the order of time."""
    edge = x_BDL.new_zeros((*x_BDL.shape[:2], states)) if initial_BDS is None else initial_BDS
    parts = (x_BDL, edge.flip(-1)) if reverse else (edge, x_BDL)
    if channels_last(x_BDL):
        return torch.cat([part.transpose(1, 2) for part in parts], dim=1).transpose(1, 2)
    return torch.cat(parts, dim=2)


def _offsets(weight_DW: Tensor, reverse: bool) -> list[tuple[int, int]]:
    """For each tap the offset into the extended samples."""
    taps = weight_DW.shape[1]
    return [(tap, taps - 1 - tap if reverse else tap) for tap in range(taps)]


def _before_activation(
    extended: Tensor, weight_DW: Tensor, bias_D: Tensor | None, length: int, reverse: bool
) -> Tensor:
    sums = _sum_dtype(extended)
    extended, weight = extended.to(sums), weight_DW.to(sums)[:, :, None]
    (tap, offset), *others = _offsets(weight_DW, reverse)
    pre = extended[:, :, offset : offset + length] * weight[:, tap]
    for tap, offset in others:
        pre.addcmul_(extended[:, :, offset : offset + length], weight[:, tap])
    return pre if bias_D is None else pre.add_(bias_D.to(sums)[:, None])
