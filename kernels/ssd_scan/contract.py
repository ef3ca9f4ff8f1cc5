"""The contract between the operator of the scan and its back ends.

The operator checks arguments, selects the back end, computes tensors without elements itself and registers gradients
with autograd. A back end only computes:

- dt, A, the sums over time and the states are float32 (float64 for float64), whatever the inputs are, and are rounded
  once: y to x's dtype, gradients to the dtypes of their inputs. The final state is not rounded.
- ``chunk_size`` affects speed only, never the result.
- B, L, H, P and N need not be multiples of anything; inputs may have any strides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class ScanInputs(NamedTuple):
    """The tensors of one call; x, B and C share one dtype: float32, bfloat16, float16 or float64.

    Attributes:
        D: [H] or [H, P].
    """

    x_BLHP: Tensor
    dt_BLH: Tensor
    A_H: Tensor
    B_BLGN: Tensor
    C_BLGN: Tensor
    D: Tensor | None = None
    dt_bias_H: Tensor | None = None
    initial_BHPN: Tensor | None = None
    seq_idx_BL: Tensor | None = None

    @property
    def sum_dtype(self) -> torch.dtype:
        """float64 for float64, otherwise float32."""
        return torch.float64 if self.x_BLHP.dtype == torch.float64 else torch.float32


@dataclass(frozen=True)
class ScanOptions:
    """Everything else.

    Attributes:
        chunk_size: samples computed as one matrix product; 0 lets the back end decide.
        dt_softplus: whether dt + dt_bias goes through softplus.
        dt_limit: smallest and largest dt; clamping comes last.
        reverse: the anti-causal direction.
    """

    chunk_size: int = 0
    dt_softplus: bool = False
    dt_limit: tuple[float, float] = (0.0, float("inf"))
    reverse: bool = False


ScanGradients = tuple[Tensor | None, ...]
"""The gradients of all `ScanInputs` but seq_idx, in their order; None where the input is None."""


class ScanBackend(Protocol):
    """A module with these functions; `inputs` have at least one element."""

    def forward(self, inputs: ScanInputs, options: ScanOptions) -> tuple[Tensor, Tensor]:
        """y [B, L, H, P] of x's dtype and the final state [B, H, P, N]."""

    def backward(
        self, dy_BLHP: Tensor, dfinal_BHPN: Tensor | None, inputs: ScanInputs, options: ScanOptions
    ) -> ScanGradients:
        """The gradients, given those of y and of the final state (None for 0)."""

    def unavailable_reason(self, device: torch.device) -> str | None:
        """Why the back end cannot run on a device, or None."""

    def unsupported_reason(self, inputs: ScanInputs, options: ScanOptions) -> str | None:
        """Why the back end cannot compute a call, or None."""
