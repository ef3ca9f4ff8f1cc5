"""Mamba-2 in both directions of time."""

from __future__ import annotations

from typing import Any, NoReturn

from torch import Tensor, nn

from seizurekit.models.mamba2 import Mamba2


class BiMamba2(nn.Module):
    """The sum of a causal and an anti-causal `Mamba2`, each with its own parameters.

    No sequence is flipped in memory. The block cannot stream: the anti-causal direction starts with the last sample.

    Args:
        d_model: input and output features.
        arguments: arguments of both `Mamba2` except ``reverse``.
        keywords: keyword arguments of both.
    """

    def __init__(self, d_model: int, *arguments: Any, **keywords: Any) -> None:
        super().__init__()
        if "reverse" in keywords:
            raise ValueError("BiMamba2 has no argument reverse: it runs both directions")
        self.forwards = Mamba2(d_model, *arguments, **keywords)
        self.backwards = Mamba2(d_model, *arguments, **keywords, reverse=True)

    def forward(self, u: Tensor) -> Tensor:
        """Maps [B, L, d_model] to [B, L, d_model]."""
        y: Tensor = self.forwards(u) + self.backwards(u)
        return y

    def step(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Raises ValueError: a bidirectional block cannot stream."""
        raise ValueError(_CANNOT_STREAM)

    def allocate_inference_cache(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Raises ValueError: a bidirectional block cannot stream."""
        raise ValueError(_CANNOT_STREAM)


_CANNOT_STREAM = (
    "BiMamba2 cannot stream: its anti-causal direction starts with the last sample, so the first output needs the whole"
    " signal; use Mamba2 for streaming"
)
