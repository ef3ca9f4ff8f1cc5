"""How far a back end's results are from the reference's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCES = {
    torch.float64: (1e-10, 1e-10),
    torch.float32: (1e-4, 1e-4),
    torch.float16: (3e-3, 5e-3),
    torch.bfloat16: (1e-2, 5e-2),
}
"""Relative and absolute, by the dtype of the input; the package causal-conv1d's own, and a stricter one for float32."""


@dataclass(frozen=True)
class Deviation:
    """The worst element of one result.

    Attributes:
        name: of the result.
        error: how far that element is off.
        tolerance: how far it may be.
    """

    name: str
    error: float
    tolerance: float

    @property
    def share(self) -> float:
        """The error as a share of what is tolerated; more than 1 is wrong."""
        return self.error / self.tolerance

    def __str__(self) -> str:
        return f"{self.name} is off by {self.error:.2g}, where {self.tolerance:.2g} is tolerated"


def deviation(name: str, found: Tensor, wanted: Tensor, dtype: torch.dtype) -> Deviation:
    """Compares a result with the reference's in float64; `dtype` is what it was computed in."""
    rtol, atol = TOLERANCES[dtype]
    if found.shape != wanted.shape:
        return Deviation(f"{name} (shape {tuple(found.shape)} for {tuple(wanted.shape)})", torch.inf, atol)
    if wanted.numel() == 0:
        return Deviation(name, 0.0, atol)
    error = (found.cpu().double() - wanted).abs().nan_to_num(torch.inf, torch.inf)
    # A sum over many terms is rounded like them: an element near zero is as exact as its neighbours, not more.
    tolerated = atol + rtol * wanted.abs().clamp(min=wanted.abs().mean())
    worst = int((error / tolerated).argmax())
    return Deviation(name, float(error.flatten()[worst]), float(tolerated.flatten()[worst]))
