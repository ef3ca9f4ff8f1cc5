"""The detector: a convolutional U-Net with bidirectional Mamba-2 at its lowest rate.

Three strided stages reduce 256 Hz to 64, 32 and 16 Hz (60 s: 15,360 samples to 960). There, Mamba-2 blocks process the
whole window in both directions. Two stages with skip connections go back to 64 Hz, and the logits are interpolated to
every sample: seizures are recognized by frequencies below 30 Hz. The U-Net is that of Ronneberger et al. (2015) with
residual blocks (He et al. 2016); Mamba-2 is by Dao and Gu (2024).

Shapes: B windows, C features, T samples, L samples at 16 Hz, D features there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from seizurekit.config import Config, ModelConfig
from seizurekit.errors import ConfigError
from seizurekit.models.bimamba2 import BiMamba2
from seizurekit.models.norm import RMSNorm
from seizurekit.models.unet import Down, Up, interpolate

CHANNELS = 19
STRIDES = (4, 2, 2)
"""Factors by which the stages of the encoder reduce the rate."""
EXPAND = 2


@dataclass(frozen=True)
class Size:
    """The size of a detector.

    Attributes:
        widths: features at 64, 32 and 16 Hz; the last is Mamba-2's ``d_model``.
        blocks: residual blocks per stage.
        layers: bidirectional Mamba-2 blocks.
        headdim: channels per head of Mamba-2.
        d_state: states per channel of Mamba-2.
    """

    widths: tuple[int, int, int]
    blocks: int
    layers: int
    headdim: int
    d_state: int


SIZES = {
    "tiny": Size((24, 48, 64), blocks=1, layers=2, headdim=16, d_state=16),
    "small": Size((64, 128, 256), blocks=1, layers=4, headdim=64, d_state=64),
    "base": Size((128, 256, 512), blocks=2, layers=5, headdim=64, d_state=128),
}
"""By ``model.size``; docs/models.md lists their number of parameters."""


class MambaBlock(nn.Module):
    """A norm and a bidirectional Mamba-2, with a skip connection around both."""

    def __init__(self, width: int, size: Size, d_conv: int, dropout: float) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.mixer = BiMamba2(width, d_state=size.d_state, d_conv=d_conv, expand=EXPAND, headdim=size.headdim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Maps [B, L, D] to [B, L, D]."""
        y: Tensor = x_BLD + self.dropout(self.mixer(self.norm(x_BLD)))
        return y


class Detector(nn.Module):
    """The detector that the module docstring describes.

    Args:
        size: its size.
        d_conv: taps of the convolutions of Mamba-2, 2 to 4.
        dropout: probability that a feature of a residual branch is dropped in training.
        prior: expected seizure ratio, the fraction of seizure samples, which initializes the last bias.

    Attributes:
        checkpoint_activations: in training, keep only the inputs of the Mamba-2 blocks for the backward pass, which
            recomputes each block with the same dropout: less memory, more time, the same gradients. The convolutional
            stages are not recomputed, because their batch norms would count each batch twice.
    """

    checkpoint_activations: bool = False

    def __init__(self, size: Size, d_conv: int, dropout: float, prior: float) -> None:
        super().__init__()
        narrow, middle, wide = size.widths
        self.down = nn.ModuleList(
            Down(inputs, width, stride, size.blocks, dropout)
            for inputs, width, stride in zip((CHANNELS, narrow, middle), size.widths, STRIDES, strict=True)
        )
        self.context = nn.Sequential(*(MambaBlock(wide, size, d_conv, dropout) for _ in range(size.layers)))
        self.norm = RMSNorm(wide)
        self.up = nn.ModuleList(
            Up(inputs, width, size.blocks, dropout) for inputs, width in ((wide, middle), (middle, narrow))
        )
        self.head = nn.Conv1d(narrow, 1, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.constant_(cast(Tensor, self.head.bias), math.log(prior / (1.0 - prior)))

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Logits float [B, T] for windows float [B, 19, T] of any length T >= 1."""
        samples = x_BCT.shape[-1]
        stride = math.prod(STRIDES)
        padded = (samples + stride - 1) // stride * stride
        features = functional.pad(x_BCT, (0, padded - samples))
        skips = []
        for down in self.down:
            features = down(features)
            skips.append(features)
        features = self.norm(self._apply_context(features.transpose(1, 2))).transpose(1, 2)
        for up, skip in zip(self.up, skips[-2::-1], strict=True):
            features = up(features, skip)
        logits = interpolate(self.head(features), padded)
        return logits[:, 0, :samples]

    def _apply_context(self, x_BLD: Tensor) -> Tensor:
        if not (self.checkpoint_activations and self.training):
            y_BLD: Tensor = self.context(x_BLD)
            return y_BLD
        for block in self.context:
            x_BLD = checkpoint(block, x_BLD, use_reentrant=False)
        return x_BLD


def build(config: Config | ModelConfig, seizure_ratio: float = 0.1) -> Detector:
    """Builds a detector from a configuration, with parameters initialized by torch's default generator.

    Args:
        config: a whole configuration or its section ``model``.
        seizure_ratio: expected seizure ratio, above 0 and below 1; the probability of the untrained detector.

    Returns:
        A module that maps windows float32 [B, 19, T] to logits [B, T], for any T of 1 or more.

    Raises:
        ConfigError: the last of ``model.widths`` does not give whole heads.
    """
    if not 0.0 < seizure_ratio < 1.0:
        raise ValueError(f"seizure_ratio is {seizure_ratio}, expected a fraction between 0 and 1")
    model = config.model if isinstance(config, Config) else config
    return Detector(_size(model), model.d_conv, model.dropout, seizure_ratio)


def _size(model: ModelConfig) -> Size:
    """The named size, with the parts that the configuration replaces."""
    named = SIZES[model.size]
    size = Size(
        model.widths or named.widths,
        model.blocks or named.blocks,
        model.layers or named.layers,
        model.headdim or named.headdim,
        model.d_state or named.d_state,
    )
    if EXPAND * size.widths[-1] % size.headdim:
        raise ConfigError(
            f"model.widths: number of Mamba-2 channels is {EXPAND} x {size.widths[-1]}, expected a multiple of "
            f"model.headdim {size.headdim}"
        )
    return size
