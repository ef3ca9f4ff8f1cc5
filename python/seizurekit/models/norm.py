"""Root-mean-square norm (Zhang and Sennrich 2019), optionally with the gate and the groups of Mamba-2."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

EPS = 1e-5


class RMSNorm(nn.Module):
    """Divides each group of features by its root mean square, computed in float32, and scales each feature.

    Args:
        width: number of features.
        groups: number of groups that are normalized separately; divides `width`.
        norm_before_gate: with a gate z, compute ``norm(x) * SiLU(z)`` instead of ``norm(x * SiLU(z))``.
        eps: added to the mean square.
        device: device of the weight.
        dtype: dtype of the weight.
    """

    def __init__(
        self,
        width: int,
        groups: int = 1,
        norm_before_gate: bool = False,
        eps: float = EPS,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width, device=device, dtype=dtype))
        self.groups, self.norm_before_gate, self.eps = groups, norm_before_gate, eps

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """Maps […, width] to the same shape and dtype; the gate z has the shape of x."""
        wide = torch.float64 if x.dtype == torch.float64 else torch.float32
        y = x.to(wide)
        gate = None if z is None else functional.silu(z.to(wide))
        if gate is not None and not self.norm_before_gate:
            y = y * gate
        grouped = y.unflatten(-1, (self.groups, -1))
        y = (grouped * torch.rsqrt(grouped.square().mean(-1, keepdim=True) + self.eps)).flatten(-2)
        y = y * self.weight.to(wide)
        if gate is not None and self.norm_before_gate:
            y = y * gate
        out: Tensor = y.to(x.dtype)
        return out
