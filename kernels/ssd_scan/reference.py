"""The scan as it is defined, one sample after the other in plain torch: in float64 the reference for the back ends.

Formulas and dimension names are in the package docstring, the contract in `seizurekit.kernels.ssd_scan.contract`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seizurekit.kernels.ssd_scan.contract import ScanGradients, ScanInputs, ScanOptions
from seizurekit.kernels.ssd_scan.step_sizes import by_channel, step_sizes, step_sizes_backward


def forward(inputs: ScanInputs, options: ScanOptions) -> tuple[Tensor, Tensor]:
    """y [B, L, H, P] of x's dtype and the final state [B, H, P, N]."""
    r = _recurrence(inputs, options)
    y: list[Tensor] = list(r.x_BLHP.unbind(1))
    state_BHPN = r.initial_BHPN
    for t in r.order:
        state_BHPN = r.decay_BLH11[:, t] * state_BHPN + r.added(t)
        y[t] = (state_BHPN @ r.C_BLHN[:, t, :, :, None])[..., 0]
    y_BLHP = torch.stack(y, dim=1) if y else torch.zeros_like(r.x_BLHP)
    if inputs.D is not None:
        y_BLHP = y_BLHP + r.x_BLHP * by_channel(inputs.D.to(inputs.sum_dtype))
    return y_BLHP.to(inputs.x_BLHP.dtype), state_BHPN.clone()


def backward(dy_BLHP: Tensor, dfinal_BHPN: Tensor | None, inputs: ScanInputs, options: ScanOptions) -> ScanGradients:
    """The gradients of all inputs but seq_idx, given those of y and of the final state."""
    r = _recurrence(inputs, options)
    dy_BLHP = dy_BLHP.to(inputs.sum_dtype)
    before = []
    state_BHPN = r.initial_BHPN
    for t in r.order:
        before.append(state_BHPN)
        state_BHPN = r.decay_BLH11[:, t] * state_BHPN + r.added(t)

    dx_BLHP, ddt_BLH = torch.zeros_like(r.x_BLHP), torch.zeros_like(r.dt_BLH)
    dB_BLHN, dC_BLHN = torch.zeros_like(r.B_BLHN), torch.zeros_like(r.C_BLHN)
    dA_BH = torch.zeros_like(r.dt_BLH[:, :0].sum(1))
    dstate_BHPN = torch.zeros_like(state_BHPN) if dfinal_BHPN is None else dfinal_BHPN.to(inputs.sum_dtype)
    for t in reversed(r.order):
        kept = r.decay_BLH11[:, t] * before.pop()
        dC_BLHN[:, t] = torch.einsum("bhpn,bhp->bhn", kept + r.added(t), dy_BLHP[:, t])
        dstate_BHPN = dstate_BHPN + dy_BLHP[:, t, :, :, None] * r.C_BLHN[:, t, :, None]
        dexponent_BH = (dstate_BHPN * kept).sum((2, 3))
        dadded_BHP = (dstate_BHPN @ r.B_BLHN[:, t, :, :, None])[..., 0]
        dx_BLHP[:, t] = r.dt_BLH[:, t, :, None] * dadded_BHP
        dB_BLHN[:, t] = torch.einsum("bhpn,bhp->bhn", dstate_BHPN, r.dt_BLH[:, t, :, None] * r.x_BLHP[:, t])
        ddt_BLH[:, t] = (dadded_BHP * r.x_BLHP[:, t]).sum(2) + dexponent_BH * r.A_H
        dA_BH += dexponent_BH * r.dt_BLH[:, t]
        dstate_BHPN = r.decay_BLH11[:, t] * dstate_BHPN

    dD = None
    if inputs.D is not None:
        dx_BLHP += dy_BLHP * by_channel(inputs.D.to(inputs.sum_dtype))
        dD = (dy_BLHP * r.x_BLHP).sum((0, 1) if inputs.D.ndim == 2 else (0, 1, 3))
    ddt_BLH = step_sizes_backward(ddt_BLH, inputs, options)
    batch, length, groups, states = inputs.B_BLGN.shape
    by_group = (batch, length, groups, r.A_H.shape[0] // groups, states)
    dB_BLGN, dC_BLGN = (d.reshape(by_group).sum(3) for d in (dB_BLHN, dC_BLHN))
    gradients = (dx_BLHP, ddt_BLH, dA_BH.sum(0), dB_BLGN, dC_BLGN, dD, ddt_BLH.sum((0, 1)), dstate_BHPN)
    return like_inputs(gradients, inputs)


def unavailable_reason(device: torch.device) -> str | None:
    """None: plain torch runs on every device."""
    return None


def unsupported_reason(inputs: ScanInputs, options: ScanOptions) -> str | None:
    """None: plain torch computes every call."""
    return None


def like_inputs(gradients: ScanGradients, inputs: ScanInputs) -> ScanGradients:
    """Gradients rounded to the dtypes of their inputs, None where the input is None."""
    pairs = zip(gradients, inputs[:-1], strict=True)
    return tuple(None if t is None or d is None else d.to(t.dtype) for d, t in pairs)


@dataclass(frozen=True)
class _Recurrence:
    order: list[int]
    x_BLHP: Tensor
    dt_BLH: Tensor
    A_H: Tensor
    B_BLHN: Tensor
    C_BLHN: Tensor
    initial_BHPN: Tensor
    decay_BLH11: Tensor

    def added(self, t: int) -> Tensor:
        """What sample t adds to the state [B, H, P, N]."""
        return (self.dt_BLH[:, t, :, None] * self.x_BLHP[:, t])[..., None] * self.B_BLHN[:, t, :, None]


def _recurrence(inputs: ScanInputs, options: ScanOptions) -> _Recurrence:
    sums = inputs.sum_dtype
    batch, length, heads, channels = inputs.x_BLHP.shape
    _, _, groups, states = inputs.B_BLGN.shape
    order = list(range(length))[:: -1 if options.reverse else 1]
    B_BLHN, C_BLHN = (t.to(sums).repeat_interleave(heads // groups, 2) for t in (inputs.B_BLGN, inputs.C_BLGN))
    dt_BLH, A_H = step_sizes(inputs, options), inputs.A_H.to(sums)
    decay_BLH = torch.exp(dt_BLH * A_H)
    if inputs.seq_idx_BL is not None:
        before_B = torch.zeros_like(inputs.seq_idx_BL[:, :1]).sum(1)
        for t in order:
            decay_BLH[:, t].masked_fill_((inputs.seq_idx_BL[:, t] != before_B)[:, None], 0.0)
            before_B = inputs.seq_idx_BL[:, t]
    if inputs.initial_BHPN is None:
        initial_BHPN = decay_BLH.new_zeros((batch, heads, channels, states))
    else:
        initial_BHPN = inputs.initial_BHPN.to(sums)
    x_BLHP = inputs.x_BLHP.to(sums)
    return _Recurrence(order, x_BLHP, dt_BLH, A_H, B_BLHN, C_BLHN, initial_BHPN, decay_BLH[..., None, None])
