"""The causal convolution: API, torch operators, trial of the back ends, and the back ends."""

from __future__ import annotations

from seizurekit.ops.causal_conv1d.api import causal_conv1d as causal_conv1d
from seizurekit.ops.causal_conv1d.api import causal_conv1d_update as causal_conv1d_update

__all__ = ["causal_conv1d", "causal_conv1d_update"]
