"""Root-mean-square normalisation by groups of features, with a gate."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class GatedRMSNorm(nn.Module):
    """``x / rms(x) * weight``, each group of features by its own rms, with SiLU(gate) multiplied in before or after.

    Computed in float32 (float64 for float64), rounded once to x's dtype; the norm of Mamba-2's blocks.

    Args:
        features: F, the last dimension of the input.
        groups: into how many groups of neighbours the features are divided; divides F.
        eps: added to the mean square.
        norm_before_gate: normalise x, then gate it; else gate first.
        device: of the weight.
        dtype: of the weight.
    """

    def __init__(
        self,
        features: int,
        groups: int = 1,
        eps: float = 1e-5,
        norm_before_gate: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if groups < 1 or features % groups:
            raise ValueError(f"groups: found {groups}, wanted a number that divides the {features} features")
        self.groups = groups
        self.eps = eps
        self.norm_before_gate = norm_before_gate
        self.weight = nn.Parameter(torch.ones(features, device=device, dtype=dtype))

    def forward(self, x: Tensor, gate: Tensor | None = None) -> Tensor:
        """[..., F] and a gate of the same shape, or none, to [..., F] of x's dtype."""
        wide = torch.float64 if x.dtype == torch.float64 else torch.float32
        y = x.to(wide)
        factor = None if gate is None else functional.silu(gate.to(wide))
        if factor is not None and not self.norm_before_gate:
            y = y * factor
        grouped = y.reshape(*y.shape[:-1], self.groups, y.shape[-1] // self.groups)
        y = (grouped * torch.rsqrt(grouped.square().mean(-1, keepdim=True) + self.eps)).flatten(-2)
        y = y * self.weight.to(wide)
        if factor is not None and self.norm_before_gate:
            y = y * factor
        return y.to(x.dtype)
