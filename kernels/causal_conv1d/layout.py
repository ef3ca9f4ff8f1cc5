"""The two memory layouts of a sequence [B, D, L]: length innermost, or channels innermost."""

from __future__ import annotations

import torch
from torch import Tensor


def channels_last(x_BDL: Tensor) -> bool:
    """Whether D, and not L, is innermost in memory."""
    return x_BDL.stride(1) == 1 and x_BDL.stride(2) != 1


def empty_like_layout(x_BDL: Tensor) -> Tensor:
    """A dense uninitialised tensor of x's shape, dtype and layout."""
    batch, channels, length = x_BDL.shape
    if channels_last(x_BDL):
        return torch.empty((batch, length, channels), dtype=x_BDL.dtype, device=x_BDL.device).transpose(1, 2)
    return torch.empty((batch, channels, length), dtype=x_BDL.dtype, device=x_BDL.device)


def in_layout_of(x_BDL: Tensor, dy_BDL: Tensor) -> Tensor:
    """dy with x's dimension innermost; copied only if it has not."""
    inner = 1 if channels_last(x_BDL) else 2
    if channels_last(dy_BDL) == channels_last(x_BDL) and dy_BDL.stride(inner) == 1:
        return dy_BDL
    return empty_like_layout(x_BDL).copy_(dy_BDL)
