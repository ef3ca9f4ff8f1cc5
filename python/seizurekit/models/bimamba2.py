"""Mamba-2 in both directions of time."""

from __future__ import annotations

from typing import Any, NoReturn

from torch import Tensor, nn

from seizurekit.models.mamba2 import Mamba2


class BiMamba2(nn.Module):
    """A causal and an anti-causal `Mamba2` with parameters of their own; their outputs are added.

    No sequence is flipped in memory. It cannot stream, since the anti-causal direction begins with the last sample.

    Args:
        d_model: features in and out.
        arguments: as for `Mamba2`, of both directions, but for ``reverse``.
    """

    def __init__(self, d_model: int, *arguments: Any, **keywords: Any) -> None:
        super().__init__()
        if "reverse" in keywords:
            raise ValueError("reverse: found it given, wanted none: BiMamba2 has both directions")
        self.forwards = Mamba2(d_model, *arguments, **keywords)
        self.backwards = Mamba2(d_model, *arguments, **keywords, reverse=True)

    def forward(self, u: Tensor) -> Tensor:
        """[B, L, d_model] to the same."""
        y: Tensor = self.forwards(u) + self.backwards(u)
        return y

    def step(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Raises: a bidirectional block cannot stream."""
        raise ValueError(_CANNOT_STREAM)

    def allocate_inference_cache(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Raises: a bidirectional block cannot stream."""
        raise ValueError(_CANNOT_STREAM)


_CANNOT_STREAM = (
    "BiMamba2 cannot stream: its backward direction begins with the last sample of the signal, so its first output"
    " needs all of it; use Mamba2 for streaming"
)
