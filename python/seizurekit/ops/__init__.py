"""Operations with several back ends that compute the same function; `dispatch` chooses among them."""

from __future__ import annotations

from seizurekit.ops.causal_conv1d import causal_conv1d as causal_conv1d
from seizurekit.ops.causal_conv1d import causal_conv1d_update as causal_conv1d_update
from seizurekit.ops.causal_conv1d_operator import CAUSAL_CONV1D
from seizurekit.ops.mamba_ssm import serve_mamba_ssm as serve_mamba_ssm
from seizurekit.ops.ssd import SSD_SCAN
from seizurekit.ops.ssd import ssd_scan as ssd_scan
from seizurekit.ops.ssd import ssd_step as ssd_step

OPERATIONS = (CAUSAL_CONV1D, SSD_SCAN)
"""All of them, for the self-test."""

__all__ = ["OPERATIONS", "causal_conv1d", "causal_conv1d_update", "serve_mamba_ssm", "ssd_scan", "ssd_step"]
