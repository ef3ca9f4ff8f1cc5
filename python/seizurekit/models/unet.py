"""A small residual U-Net of 1-D convolutions: from 19 channels of EEG to a seizure logit for every sample.

Shapes: B windows, C channels, T samples; x_BCT. The first convolution already strides by 4, since what tells a seizure
lies below 30 Hz, and nothing is computed at the full rate: logits come at a sixteenth of it and are interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 19
STRIDE = 4
"""Samples that each stage of the encoder makes into one."""


class ResidualBlock(nn.Module):
    """Two convolutions of width 3 with a skip past both; the second starts from zero, so the block from identity."""

    def __init__(self, width: int, dilation: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm2 = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, T] to the same."""
        y = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.dropout(self.norm2(self.conv2(y)))
        return functional.relu(x + y, inplace=True)


class Down(nn.Module):
    """A strided convolution that makes `STRIDE` samples into one, then a residual block."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, width, 2 * STRIDE, stride=STRIDE, padding=STRIDE // 2, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.block = ResidualBlock(width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, T] to [B, width, T / STRIDE]."""
        y: Tensor = self.block(functional.relu(self.norm(self.conv(x)), inplace=True))
        return y


class Up(nn.Module):
    """Interpolates to the length of the encoder's stage, adds that stage's features, then a residual block."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, width, 1)
        self.block = ResidualBlock(width)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """[B, inputs, T / STRIDE] and [B, width, T] to [B, width, T]."""
        wide = functional.interpolate(self.conv(x), size=skip.shape[-1], mode="linear", align_corners=False)
        y: Tensor = self.block(wide + skip)
        return y


class ConvUNet(nn.Module):
    """The detector; see the module.

    Args:
        widths: features of the encoder's stages, at a 4th, a 16th, … of the sampling rate; two or more.
        blocks: residual blocks at the lowest rate, with dilations 1, 2, 4, …
        dropout: probability that a feature of those blocks is dropped in training.
        prior: share of seizure samples expected, which the last bias starts from.
    """

    def __init__(self, widths: Sequence[int], blocks: int, dropout: float, prior: float) -> None:
        super().__init__()
        self.down = nn.ModuleList(Down(a, b) for a, b in zip((CHANNELS, *widths[:-1]), widths, strict=True))
        self.context = nn.Sequential(*(ResidualBlock(widths[-1], 2**level, dropout) for level in range(blocks)))
        self.up = nn.ModuleList(Up(b, a) for a, b in zip(widths[1:-1][::-1], widths[2:][::-1], strict=True))
        self.head = nn.Conv1d(widths[1], 1, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.constant_(cast(Tensor, self.head.bias), math.log(prior / (1.0 - prior)))

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Logits float [B, T] for windows float [B, 19, T] of any length T >= 1."""
        samples = x_BCT.shape[-1]
        stride = STRIDE ** len(self.down)
        features = functional.pad(x_BCT, (0, -samples % stride))
        padded = features.shape[-1]
        stages = []
        for down in self.down:
            features = down(features)
            stages.append(features)
        features = self.context(features)
        for up, skip in zip(self.up, stages[1:-1][::-1], strict=True):
            features = up(features, skip)
        logits = functional.interpolate(self.head(features), size=padded, mode="linear", align_corners=False)
        return logits[:, 0, :samples]
