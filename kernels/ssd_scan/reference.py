"""The scan as it is defined, one sample after the other in plain torch: in float64 the others' oracle.

The formulas, the names of the dimensions and the contract of a back end are in the package's docstring.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seizurekit.kernels.ssd_scan.arguments import Gradients, ScanInputs, ScanOptions
from seizurekit.kernels.ssd_scan.step_sizes import by_channel, step_sizes, step_sizes_backward


def forward(inputs: ScanInputs, options: ScanOptions) -> tuple[Tensor, Tensor]:
    """The outputs [B, L, H, P] of x's dtype and the final state [B, H, P, N]."""
    r = _recurrence(inputs, options)
    y: list[Tensor] = list(r.x_BLHP.unbind(1))
    state_BHPN = r.initial_BHPN
    for t in r.order:
        state_BHPN = r.decay_BLH11[:, t] * state_BHPN + r.gained(t)
        y[t] = (state_BHPN @ r.C_BLHN[:, t, :, :, None])[..., 0]
    y_BLHP = torch.stack(y, dim=1) if y else torch.zeros_like(r.x_BLHP)
    if inputs.D is not None:
        y_BLHP = y_BLHP + r.x_BLHP * by_channel(inputs.D.to(inputs.sums))
    return y_BLHP.to(inputs.x_BLHP.dtype), state_BHPN.clone()


def backward(dy_BLHP: Tensor, dfinal_BHPN: Tensor | None, inputs: ScanInputs, options: ScanOptions) -> Gradients:
    """The gradients of the inputs but for seq_idx, each of its input's dtype; None for what was not given."""
    r = _recurrence(inputs, options)
    dy_BLHP = dy_BLHP.to(inputs.sums)
    before = []
    state_BHPN = r.initial_BHPN
    for t in r.order:
        before.append(state_BHPN)
        state_BHPN = r.decay_BLH11[:, t] * state_BHPN + r.gained(t)

    dx_BLHP, ddt_BLH = torch.zeros_like(r.x_BLHP), torch.zeros_like(r.dt_BLH)
    dB_BLHN, dC_BLHN = torch.zeros_like(r.B_BLHN), torch.zeros_like(r.C_BLHN)
    dA_BH = torch.zeros_like(r.dt_BLH[:, :0].sum(1))
    dstate_BHPN = torch.zeros_like(state_BHPN) if dfinal_BHPN is None else dfinal_BHPN.to(inputs.sums)
    for t in reversed(r.order):
        kept = r.decay_BLH11[:, t] * before.pop()
        dC_BLHN[:, t] = torch.einsum("bhpn,bhp->bhn", kept + r.gained(t), dy_BLHP[:, t])
        dstate_BHPN = dstate_BHPN + dy_BLHP[:, t, :, :, None] * r.C_BLHN[:, t, :, None]
        dexponent_BH = (dstate_BHPN * kept).sum((2, 3))
        dgained_BHP = (dstate_BHPN @ r.B_BLHN[:, t, :, :, None])[..., 0]
        dx_BLHP[:, t] = r.dt_BLH[:, t, :, None] * dgained_BHP
        dB_BLHN[:, t] = torch.einsum("bhpn,bhp->bhn", dstate_BHPN, r.dt_BLH[:, t, :, None] * r.x_BLHP[:, t])
        ddt_BLH[:, t] = (dgained_BHP * r.x_BLHP[:, t]).sum(2) + dexponent_BH * r.A_H
        dA_BH += dexponent_BH * r.dt_BLH[:, t]
        dstate_BHPN = r.decay_BLH11[:, t] * dstate_BHPN

    dD = None
    if inputs.D is not None:
        dx_BLHP += dy_BLHP * by_channel(inputs.D.to(inputs.sums))
        dD = (dy_BLHP * r.x_BLHP).sum((0, 1) if inputs.D.ndim == 2 else (0, 1, 3))
    ddt_BLH = step_sizes_backward(ddt_BLH, inputs, options)
    batch, length, groups, states = inputs.B_BLGN.shape
    by_group = (batch, length, groups, r.A_H.shape[0] // groups, states)
    dB_BLGN, dC_BLGN = (d.reshape(by_group).sum(3) for d in (dB_BLHN, dC_BLHN))
    found = (dx_BLHP, ddt_BLH, dA_BH.sum(0), dB_BLGN, dC_BLGN, dD, ddt_BLH.sum((0, 1)), dstate_BHPN)
    return like_inputs(found, inputs)


def why_not(device: torch.device) -> str | None:
    """Plain torch runs wherever torch does."""
    return None


def why_not_call(inputs: ScanInputs, options: ScanOptions) -> str | None:
    """Everything that the contract allows is served."""
    return None


def like_inputs(found: Gradients, inputs: ScanInputs) -> Gradients:
    """Gradients rounded to their inputs' dtypes, None for what was not given."""
    pairs = zip(found, inputs[:-1], strict=True)
    return tuple(None if given is None or d is None else d.to(given.dtype) for d, given in pairs)


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

    def gained(self, t: int) -> Tensor:
        """What a sample adds to the state [B, H, P, N]."""
        return (self.dt_BLH[:, t, :, None] * self.x_BLHP[:, t])[..., None] * self.B_BLHN[:, t, :, None]


def _recurrence(inputs: ScanInputs, options: ScanOptions) -> _Recurrence:
    sums = inputs.sums
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
