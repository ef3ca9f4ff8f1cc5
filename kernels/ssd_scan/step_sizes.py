"""dt before the recurrence and its gradient after it, and the skip factors D."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from seizurekit.kernels.ssd_scan.contract import ScanInputs, ScanOptions


def step_sizes(inputs: ScanInputs, options: ScanOptions) -> Tensor:
    """dt [B, L, H] as the recurrence uses it: with bias, softplus and limits."""
    biased_BLH = _biased_dt(inputs)
    dt_BLH = functional.softplus(biased_BLH) if options.dt_softplus else biased_BLH
    return dt_BLH.clamp(*options.dt_limit)


def step_sizes_backward(ddt_BLH: Tensor, inputs: ScanInputs, options: ScanOptions) -> Tensor:
    """The gradient of dt as given, before the bias; its sum over B and L is the gradient of the bias."""
    biased_BLH = _biased_dt(inputs)
    dt_BLH = functional.softplus(biased_BLH) if options.dt_softplus else biased_BLH
    least, largest = options.dt_limit
    ddt_BLH = ddt_BLH.masked_fill((dt_BLH < least) | (dt_BLH > largest), 0.0)
    return ddt_BLH * torch.sigmoid(biased_BLH) if options.dt_softplus else ddt_BLH


def by_channel(D: Tensor) -> Tensor:
    """The skip factors [H] or [H, P] as [H, 1] or [H, P]."""
    return D[:, None] if D.ndim == 1 else D


def _biased_dt(inputs: ScanInputs) -> Tensor:
    dt_BLH = inputs.dt_BLH.to(inputs.sum_dtype)
    return dt_BLH if inputs.dt_bias_H is None else dt_BLH + inputs.dt_bias_H.to(inputs.sum_dtype)
