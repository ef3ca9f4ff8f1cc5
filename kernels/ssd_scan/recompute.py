"""Gradients of a scan by torch's autograd, from the inputs alone: the forward pass is computed a second time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from seizurekit.kernels.ssd_scan.arguments import Gradients, ScanInputs, ScanOptions

Forward = Callable[[ScanInputs, ScanOptions], tuple[Tensor, Tensor]]


def recomputed_gradients(
    forward: Forward, dy_BLHP: Tensor, dfinal_BHPN: Tensor | None, inputs: ScanInputs, options: ScanOptions
) -> Gradients:
    """What ``backward`` of a back end returns, for a `forward` that autograd can follow."""
    tensors, seq_idx_BL = inputs[:-1], inputs[-1]
    leaves = [None if tensor is None else tensor.detach().requires_grad_() for tensor in tensors]
    with torch.enable_grad():
        y_BLHP, final_BHPN = forward(ScanInputs(*leaves, seq_idx_BL), options)
    results, seeds = [y_BLHP], [dy_BLHP]
    if dfinal_BHPN is not None:
        results.append(final_BHPN)
        seeds.append(dfinal_BHPN)
    given = [leaf for leaf in leaves if leaf is not None]
    found = iter(torch.autograd.grad(results, given, seeds, allow_unused=True, materialize_grads=True))
    return tuple(None if leaf is None else next(found) for leaf in leaves)
