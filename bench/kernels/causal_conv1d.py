"""Causal convolutions to compare: every back end, and implementations in plain torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from seizurekit.ops import causal_conv1d
from seizurekit.ops.causal_conv1d.backends import CAUSAL_CONV1D
from seizurekit.ops.causal_conv1d.trial import ConvCase
from seizurekit.ops.dispatch import unusable_reason

CONV1D = "torch F.conv1d by groups"
PACKAGE = "cuda-package"
Convolution = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Shape:
    """Size [B, D, L], taps, dtype and memory layout of an operation's input."""

    batch: int
    channels: int
    length: int
    width: int
    dtype: torch.dtype
    channels_last: bool
    device: torch.device

    def __str__(self) -> str:
        layout = "channels" if self.channels_last else "length"
        name = str(self.dtype).removeprefix("torch.")
        return f"({self.batch}, {self.channels}, {self.length}) width {self.width}, {name}, {layout} innermost"

    @property
    def bytes(self) -> int:
        """Size of x in bytes."""
        return self.batch * self.channels * self.length * self.dtype.itemsize

    def tensor(self) -> Tensor:
        """Random tensor of this shape and layout."""
        if self.channels_last:
            x_BLD = torch.randn(self.batch, self.length, self.channels, dtype=self.dtype, device=self.device)
            return x_BLD.transpose(1, 2)
        return torch.randn(self.batch, self.channels, self.length, dtype=self.dtype, device=self.device)


def grouped(x_BDL: Tensor, weight_DW: Tensor, bias_D: Tensor) -> Tensor:
    """Grouped convolution, as in mamba-ssm when causal-conv1d is missing."""
    length, states = x_BDL.shape[2], weight_DW.shape[1] - 1
    y = functional.conv1d(
        x_BDL, weight_DW[:, None].to(x_BDL.dtype), bias_D.to(x_BDL.dtype), padding=states, groups=x_BDL.shape[1]
    )
    return functional.silu(y[:, :, :length])


def shifted(x_BDL: Tensor, weight_DW: Tensor, bias_D: Tensor) -> Tensor:
    """One shift and one multiplication per tap."""
    length, taps = x_BDL.shape[2], weight_DW.shape[1]
    padded = functional.pad(x_BDL, (taps - 1, 0))
    y = torch.addcmul(bias_D[:, None], padded[:, :, :length], weight_DW[:, :1])
    for tap in range(1, taps):
        y = torch.addcmul(y, padded[:, :, tap : tap + length], weight_DW[:, tap : tap + 1])
    return functional.silu(y)


def shifted_channels_last(x_BDL: Tensor, weight_DW: Tensor, bias_D: Tensor) -> Tensor:
    """The same with the channels innermost; without gradients it adds in place and needs no padding."""
    x_BLD = x_BDL.transpose(1, 2)
    length, taps = x_BLD.shape[1], weight_DW.shape[1]
    if torch.is_grad_enabled():
        padded = functional.pad(x_BLD, (0, 0, taps - 1, 0))
        y = torch.addcmul(bias_D, padded[:, :length], weight_DW[:, 0])
        for tap in range(1, taps):
            y = torch.addcmul(y, padded[:, tap : tap + length], weight_DW[:, tap])
        return functional.silu(y).transpose(1, 2)
    y = torch.addcmul(bias_D, x_BLD, weight_DW[:, -1])
    for back in range(1, min(taps, length)):
        y[:, back:].addcmul_(x_BLD[:, : length - back], weight_DW[:, -1 - back])
    return functional.silu(y, inplace=True).transpose(1, 2)


def contenders(shape: Shape, skipped: dict[str, str]) -> Iterator[tuple[str, Convolution]]:
    """Yields names and functions of the contenders for a shape; adds the others to `skipped`, with the reason.

    Each back end passes its trial first, so that one with wrong results is not timed.
    """
    for name in CAUSAL_CONV1D.backend_names:
        case = ConvCase(
            shape.device, shape.dtype, torch.float32, shape.width, True, False, shape.channels_last, initial=False
        )
        reason = unusable_reason(CAUSAL_CONV1D, name, case)
        if reason is None:
            yield name, _with_backend(name)
        else:
            skipped[name] = reason
    yield CONV1D, grouped
    if shape.dtype == torch.float32:
        yield "torch shifts", shifted_channels_last if shape.channels_last else shifted


def _with_backend(name: str) -> Convolution:
    return lambda x_BDL, weight_DW, bias_D: causal_conv1d(x_BDL, weight_DW, bias_D, "silu", backend=name)
