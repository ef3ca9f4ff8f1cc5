"""Comparison of the results of a back end with the reference in float64, on values that need no random generator."""

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
"""Relative and absolute, by the dtype of the input: those of the package causal-conv1d, stricter for float32."""


@dataclass(frozen=True)
class Comparison:
    """The worst element of one result.

    Attributes:
        name: name of the result.
        error: absolute error of that element.
        tolerance: largest error that is accepted for it.
    """

    name: str
    error: float
    tolerance: float

    @property
    def ratio(self) -> float:
        """Error divided by tolerance; more than 1 is wrong."""
        return self.error / self.tolerance

    def __str__(self) -> str:
        return f"{self.name}: error is {self.error:.2g}, expected at most {self.tolerance:.2g}"


def compare(name: str, result: Tensor, expected: Tensor, dtype: torch.dtype) -> Comparison:
    """Compares a result, computed in `dtype`, with the reference in float64."""
    rtol, atol = TOLERANCES[dtype]
    if result.shape != expected.shape:
        return Comparison(f"{name} (shape {tuple(result.shape)} instead of {tuple(expected.shape)})", torch.inf, atol)
    if expected.numel() == 0:
        return Comparison(name, 0.0, atol)
    error = (result.cpu().double() - expected).abs().nan_to_num(torch.inf, torch.inf)
    # The rounding error of a sum depends on its terms: an element near zero is only as exact as its neighbors.
    tolerance = atol + rtol * expected.abs().clamp(min=expected.abs().mean())
    worst = int((error / tolerance).argmax())
    return Comparison(name, float(error.flatten()[worst]), float(tolerance.flatten()[worst]))


def example_values(shape: tuple[int, ...], phase: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Values of a sine; a trial must not advance the random generators."""
    count = torch.Size(shape).numel()
    return torch.sin(torch.arange(count, dtype=torch.float64) * 12.9898 + phase).reshape(shape).to(device, dtype)
