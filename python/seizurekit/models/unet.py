"""Convolutional parts of the detector: residual blocks, and the stages that reduce and restore the rate.

Shapes: B windows, C features, T samples; x_BCT.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two convolutions of width 3 with a skip connection; initially the identity, since the last norm has weight 0."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Maps [B, width, T] to [B, width, T]."""
        y = functional.relu(self.norm1(self.conv1(x_BCT)), inplace=True)
        y = self.dropout(self.norm2(self.conv2(y)))
        return functional.relu(x_BCT + y, inplace=True)


class Down(nn.Module):
    """A convolution that reduces the rate by `stride`, then residual blocks."""

    def __init__(self, inputs: int, width: int, stride: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, width, 2 * stride, stride=stride, padding=stride // 2, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.blocks = nn.Sequential(*(ResidualBlock(width, dropout) for _ in range(blocks)))

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Maps [B, inputs, T] to [B, width, T / stride]."""
        y: Tensor = self.blocks(functional.relu(self.norm(self.conv(x_BCT)), inplace=True))
        return y


class Up(nn.Module):
    """Interpolates to the rate of a stage of the encoder, adds the features of that stage, then residual blocks."""

    def __init__(self, inputs: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, width, 1)
        self.blocks = nn.Sequential(*(ResidualBlock(width, dropout) for _ in range(blocks)))

    def forward(self, x_BCT: Tensor, skip_BCT: Tensor) -> Tensor:
        """Maps [B, inputs, T / stride] and [B, width, T] to [B, width, T]."""
        wide = interpolate(self.conv(x_BCT), skip_BCT.shape[-1])
        y: Tensor = self.blocks(wide + skip_BCT)
        return y


def interpolate(x_BCT: Tensor, samples: int) -> Tensor:
    """Linear interpolation of [B, C, T] to [B, C, samples], a multiple of T; constant beyond the outer samples."""
    if not torch.are_deterministic_algorithms_enabled():
        return functional.interpolate(x_BCT, size=samples, mode="linear", align_corners=False)
    # The gradient of torch's own is not deterministic on CUDA.
    factor = samples // x_BCT.shape[-1]
    before = torch.cat((x_BCT[..., :1], x_BCT[..., :-1]), -1)
    after = torch.cat((x_BCT[..., 1:], x_BCT[..., -1:]), -1)
    phases = []
    for phase in range(factor):
        offset = (phase + 0.5) / factor - 0.5
        phases.append(torch.lerp(x_BCT, after if offset > 0 else before, abs(offset)))
    return torch.stack(phases, -1).flatten(-2)
