"""The contract between the operator of the causal convolution and its back ends.

The operator checks arguments, selects the back end, computes tensors without elements itself and registers gradients
with autograd. A back end only computes:

- y and dx are dense and have the layout of x: L or D innermost (`seizurekit.kernels.causal_conv1d.layout`).
- Sums are computed in float32 (float64 for float64) and rounded once, to x's dtype; those of dweight and dbias to
  weight's dtype.
- B, D and L need not be multiples of anything. Offsets are 64-bit.
- Gradients are the same in every run (for `cuda-package` if ``torch.use_deterministic_algorithms`` asks for it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class ConvInputs(NamedTuple):
    """The tensors of one call.

    Attributes:
        x_BDL: float32, bfloat16 or float16 (float64 where the back end supports it); L or D innermost, other strides
            arbitrary.
        weight_DW: x's dtype or float32 (float64 for float64), contiguous.
        bias_D: weight's dtype, contiguous.
        initial_BDS: samples before the first, x's dtype, contiguous; None for zeros.
    """

    x_BDL: Tensor
    weight_DW: Tensor
    bias_D: Tensor | None = None
    initial_BDS: Tensor | None = None

    @property
    def states(self) -> int:
        """S, the samples of a state."""
        return self.weight_DW.shape[1] - 1

    @property
    def sum_dtype(self) -> torch.dtype:
        """float64 for float64, otherwise float32."""
        return torch.float64 if self.x_BDL.dtype == torch.float64 else torch.float32


@dataclass(frozen=True)
class ConvOptions:
    """What to compute: `silu` applies SiLU, `reverse` selects the anti-causal direction."""

    silu: bool = False
    reverse: bool = False


class ConvGradients(NamedTuple):
    """The gradient of each tensor of `ConvInputs`; None where that tensor is None."""

    dx_BDL: Tensor
    dweight_DW: Tensor
    dbias_D: Tensor | None
    dinitial_BDS: Tensor | None


class ConvBackend(Protocol):
    """A module with these functions; `inputs` have at least one element."""

    def forward(self, inputs: ConvInputs, options: ConvOptions) -> tuple[Tensor, Tensor]:
        """y [B, D, L] and the final state [B, D, S], both of x's dtype."""

    def backward(
        self, dy_BDL: Tensor, dfinal_BDS: Tensor | None, inputs: ConvInputs, options: ConvOptions
    ) -> ConvGradients:
        """The gradients, given that of y (x's dimension innermost) and of the final state (contiguous; None for 0)."""

    def update(self, inputs: ConvInputs, state_BDN: Tensor, options: ConvOptions) -> Tensor:
        """y [B, D, 1] of one more sample x [B, D, 1], for streaming; adds x to the state in place.

        The state [B, D, N], N >= S, is contiguous and holds the newest sample last. `inputs` have no initial state.
        """

    def unavailable_reason(self, device: torch.device) -> str | None:
        """Why the back end cannot run on a device, or None."""

    def unsupported_reason(self, inputs: ConvInputs, options: ConvOptions) -> str | None:
        """Why the back end cannot compute a call, or None."""
