"""One step of the scan, for streaming, in plain torch on any device."""

from __future__ import annotations

import torch
from torch import Tensor

from seizurekit.kernels.ssd_scan.arguments import ScanInputs, ScanOptions
from seizurekit.kernels.ssd_scan.reference import forward


@torch.no_grad()
def step(
    state_BHPN: Tensor,
    x_BHP: Tensor,
    dt_BH: Tensor,
    A_H: Tensor,
    B_BGN: Tensor,
    C_BGN: Tensor,
    D: Tensor | None,
    dt_bias_H: Tensor | None,
    dt_softplus: bool,
    dt_limit: tuple[float, float],
) -> Tensor:
    """The outputs [B, H, P] of one more sample; the state takes it in, in place."""
    inputs = ScanInputs(
        x_BHP[:, None], dt_BH[:, None], A_H, B_BGN[:, None], C_BGN[:, None], D, dt_bias_H, state_BHPN, None
    )
    y_B1HP: Tensor
    y_B1HP, final_BHPN = forward(inputs, ScanOptions(dt_softplus=dt_softplus, dt_limit=dt_limit))
    state_BHPN.copy_(final_BHPN)
    return y_B1HP[:, 0]
