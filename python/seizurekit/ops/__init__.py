"""Operations with several back ends that compute the same function; `dispatch` selects one."""

from __future__ import annotations

from typing import Any

# Each function has the name of its package. The package is imported first, so the attribute is the function.
from seizurekit.ops.causal_conv1d import causal_conv1d as causal_conv1d
from seizurekit.ops.causal_conv1d import causal_conv1d_update as causal_conv1d_update
from seizurekit.ops.causal_conv1d.backends import CAUSAL_CONV1D
from seizurekit.ops.dispatch import Operation
from seizurekit.ops.mamba_ssm import serve_mamba_ssm as serve_mamba_ssm
from seizurekit.ops.ssd_scan import ssd_scan as ssd_scan
from seizurekit.ops.ssd_scan import ssd_step as ssd_step
from seizurekit.ops.ssd_scan.backends import SSD_SCAN

OPERATIONS: tuple[Operation[Any, Any], ...] = (CAUSAL_CONV1D, SSD_SCAN)
"""All operations, for the self-test."""

__all__ = ["OPERATIONS", "causal_conv1d", "causal_conv1d_update", "serve_mamba_ssm", "ssd_scan", "ssd_step"]
