"""The arguments of a scan, as every back end takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class ScanInputs(NamedTuple):
    """The tensors; the package's docstring tells what they are."""

    x_BLHP: Tensor
    dt_BLH: Tensor
    A_H: Tensor
    B_BLGN: Tensor
    C_BLGN: Tensor
    D: Tensor | None = None
    """[H] or [H, P]."""
    dt_bias_H: Tensor | None = None
    initial_BHPN: Tensor | None = None
    seq_idx_BL: Tensor | None = None

    @property
    def sums(self) -> torch.dtype:
        """What is summed in: float64 for float64, else float32."""
        return torch.float64 if self.x_BLHP.dtype == torch.float64 else torch.float32


@dataclass(frozen=True)
class ScanOptions:
    """Everything else.

    Attributes:
        chunk_size: samples that are computed as one matrix product; 0 leaves it to the back end.
        dt_softplus: whether dt + dt_bias goes through softplus.
        dt_limit: dt is clamped to this, last.
        reverse: anti-causal.
    """

    chunk_size: int = 0
    dt_softplus: bool = False
    dt_limit: tuple[float, float] = (0.0, float("inf"))
    reverse: bool = False


Gradients = tuple[Tensor | None, ...]
"""Of `ScanInputs` but for seq_idx, in its order; None for what was not given."""
