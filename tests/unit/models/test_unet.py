"""Convolutional parts of the detector."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from seizurekit.models.unet import interpolate


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("length", [1, 2, 17])
def test_the_deterministic_interpolation_equals_that_of_torch_forward_and_backward(factor: int, length: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, length, dtype=torch.float64, requires_grad=True)
    dy = torch.randn(2, 3, length * factor, dtype=torch.float64)
    expected = functional.interpolate(x, size=length * factor, mode="linear", align_corners=False)
    (dx,) = torch.autograd.grad(expected, x, dy)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        y = interpolate(x, length * factor)
    finally:
        torch.use_deterministic_algorithms(before)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(y, x, dy)[0], dx, rtol=1e-12, atol=1e-12)
