"""The state-space scan of the package mamba-ssm, Triton kernels, where it is installed and works: ``mamba-ssm``."""

from __future__ import annotations

import torch
from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined
from torch import Tensor

CHUNK = 256
"""Steps a chunk, the package's own default."""


def scan(
    x_BLHP: Tensor,
    dt_BLH: Tensor,
    A_H: Tensor,
    B_BLGN: Tensor,
    C_BLGN: Tensor,
    chunk_size: int | None = None,
    D: Tensor | None = None,
    z_BLHP: Tensor | None = None,
    dt_bias_H: Tensor | None = None,
    initial_BHPN: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, float("inf")),
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """See `seizurekit.kernels.ssd_scan.chunked.scan`; the package has one direction, so the other is flipped to it."""
    sequences = (x_BLHP, dt_BLH, B_BLGN, C_BLGN)
    x, dt, B, C = (part.flip(1) for part in sequences) if reverse else sequences
    z = z_BLHP.flip(1) if reverse and z_BLHP is not None else z_BLHP
    y, final = mamba_chunk_scan_combined(
        x,
        dt,
        A_H,
        B,
        C,
        chunk_size or CHUNK,
        D=D,
        z=z,
        dt_bias=dt_bias_H,
        initial_states=initial_BHPN,
        dt_softplus=dt_softplus,
        dt_limit=dt_limit,
        return_final_states=True,
    )
    return (y.flip(1) if reverse else y), final


def why_not(device: torch.device) -> str | None:
    """Why the package cannot serve on the device; None where it can."""
    return None if device.type == "cuda" else f"runs on CUDA devices only, not on {device.type}"


def why_not_call(x_BLHP: Tensor, B_BLGN: Tensor, initial_BHPN: Tensor | None, reverse: bool) -> str | None:
    """Why these arguments are not for the package; None where they are."""
    if x_BLHP.dtype == torch.float64:
        return "has no float64"
    if 0 in x_BLHP.shape:
        return "takes no empty tensors"
    return None
