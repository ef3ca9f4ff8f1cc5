"""The scan as it is defined, one sample after the other in plain torch: in float64 the others' oracle.

The formulas, the names of the dimensions and the contract of a back end are in the package's docstring.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from seizurekit.kernels.ssd_scan.arguments import Gradients, ScanInputs, ScanOptions
from seizurekit.kernels.ssd_scan.recompute import recomputed_gradients


def forward(inputs: ScanInputs, options: ScanOptions) -> tuple[Tensor, Tensor]:
    """The outputs [B, L, H, P] of x's dtype and the final state [B, H, P, N]."""
    sums = inputs.sums
    batch, length, heads, channels = inputs.x_BLHP.shape
    group = heads // inputs.B_BLGN.shape[2]
    x, A = inputs.x_BLHP.to(sums), inputs.A_H.to(sums)
    B, C = (t.to(sums).repeat_interleave(group, dim=2) for t in (inputs.B_BLGN, inputs.C_BLGN))
    dt = step_sizes(inputs, options)
    if inputs.initial_BHPN is None:
        state = x.new_zeros((batch, heads, channels, B.shape[3]))
    else:
        state = inputs.initial_BHPN.to(sums)
    y: list[Tensor] = [x[:, 0]] * length
    before = None if inputs.seq_idx_BL is None else torch.zeros_like(inputs.seq_idx_BL[:, 0])
    for t in reversed(range(length)) if options.reverse else range(length):
        if inputs.seq_idx_BL is not None:
            same = inputs.seq_idx_BL[:, t] == before
            state = torch.where(same[:, None, None, None], state, 0.0)
            before = inputs.seq_idx_BL[:, t]
        decay = torch.exp(dt[:, t] * A)[:, :, None, None]
        state = decay * state + (dt[:, t, :, None] * x[:, t])[..., None] * B[:, t, :, None]
        y[t] = torch.einsum("bhpn,bhn->bhp", state, C[:, t])
    y_BLHP = torch.stack(y, dim=1) if y else torch.zeros_like(x)
    return with_skip(y_BLHP, inputs).to(inputs.x_BLHP.dtype), state.clone()


def backward(
    dy_BLHP: Tensor, dfinal_BHPN: Tensor | None, inputs: ScanInputs, options: ScanOptions
) -> Gradients:
    """The gradients of the inputs."""
    return recomputed_gradients(forward, dy_BLHP, dfinal_BHPN, inputs, options)


def why_not(device: torch.device) -> str | None:
    """Plain torch runs wherever torch does."""
    return None


def why_not_call(inputs: ScanInputs, options: ScanOptions) -> str | None:
    """Everything that the contract allows is served."""
    return None


def step_sizes(inputs: ScanInputs, options: ScanOptions) -> Tensor:
    """dt [B, L, H] as the recurrence uses it: bias added, softplus taken, limits kept."""
    dt_BLH = inputs.dt_BLH.to(inputs.sums)
    if inputs.dt_bias_H is not None:
        dt_BLH = dt_BLH + inputs.dt_bias_H.to(inputs.sums)
    if options.dt_softplus:
        dt_BLH = functional.softplus(dt_BLH)
    return dt_BLH.clamp(*options.dt_limit)


def with_skip(y_BLHP: Tensor, inputs: ScanInputs) -> Tensor:
    """y with D * x added."""
    if inputs.D is None:
        return y_BLHP
    D = inputs.D.to(y_BLHP.dtype)
    return y_BLHP + inputs.x_BLHP.to(y_BLHP.dtype) * (D[:, None] if D.ndim == 1 else D)
