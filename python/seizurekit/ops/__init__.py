"""Operations with several back ends that compute the same function; `dispatch` chooses among them."""

from __future__ import annotations

from seizurekit.ops.causal_conv1d import causal_conv1d as causal_conv1d
from seizurekit.ops.causal_conv1d import causal_conv1d_update as causal_conv1d_update

__all__ = ["causal_conv1d", "causal_conv1d_update"]
