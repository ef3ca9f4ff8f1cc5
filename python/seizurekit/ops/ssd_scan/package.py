"""The back end ``mamba-ssm``: the Triton kernels of the package mamba-ssm.

The package has no anti-causal direction, so this one flips inputs and results in memory.
"""

from __future__ import annotations

import torch
from mamba_ssm.ops.triton.ssd_combined import _mamba_chunk_scan_combined_bwd, _mamba_chunk_scan_combined_fwd
from torch import Tensor

from seizurekit.kernels.ssd_scan.contract import ScanGradients, ScanInputs, ScanOptions
from seizurekit.kernels.ssd_scan.reference import like_inputs

_CHUNK = 256
_SMALLEST_CHUNK = 16
_TIME = 1


def forward(inputs: ScanInputs, options: ScanOptions) -> tuple[Tensor, Tensor]:
    """y [B, L, H, P] and the final state [B, H, P, N]."""
    inputs = _flip_if_reverse(inputs, options)
    y_BLHP, _, _, _, _, final_BHPN = _mamba_chunk_scan_combined_fwd(
        inputs.x_BLHP,
        inputs.dt_BLH,
        inputs.A_H.float(),
        inputs.B_BLGN,
        inputs.C_BLGN,
        **_keywords(inputs, options),
    )
    return _flip(y_BLHP) if options.reverse else y_BLHP, final_BHPN.float()


def backward(dy_BLHP: Tensor, dfinal_BHPN: Tensor | None, inputs: ScanInputs, options: ScanOptions) -> ScanGradients:
    """The gradients of all inputs but seq_idx."""
    ordered = _flip_if_reverse(inputs, options)
    # The argument after C is y; without a gate only its shape is used, which is that of x.
    dx, ddt, dA, dB, dC, dD, _, ddt_bias, dinitial = _mamba_chunk_scan_combined_bwd(
        _flip(dy_BLHP) if options.reverse else dy_BLHP,
        ordered.x_BLHP,
        ordered.dt_BLH,
        ordered.A_H.float(),
        ordered.B_BLGN,
        ordered.C_BLGN,
        ordered.x_BLHP,
        dfinal_states=dfinal_BHPN,
        **_keywords(ordered, options),
    )
    if options.reverse:
        dx, ddt, dB, dC = (_flip(gradient) for gradient in (dx, ddt, dB, dC))
    gradients = (dx, ddt, dA, dB, dC, dD, ddt_bias, dinitial)
    return like_inputs(gradients, inputs)


def unavailable_reason(device: torch.device) -> str | None:
    """Why the package cannot run on a device, or None."""
    return None if device.type == "cuda" else f"runs on CUDA devices only, not on {device.type}"


def unsupported_reason(inputs: ScanInputs, options: ScanOptions) -> str | None:
    """Why the package cannot compute a call, or None."""
    return "has no float64" if inputs.x_BLHP.dtype == torch.float64 else None


def _flip_if_reverse(inputs: ScanInputs, options: ScanOptions) -> ScanInputs:
    if not options.reverse:
        return inputs
    x, dt, B, C = (_flip(t) for t in (inputs.x_BLHP, inputs.dt_BLH, inputs.B_BLGN, inputs.C_BLGN))
    seq_idx = None if inputs.seq_idx_BL is None else _flip(inputs.seq_idx_BL)
    return inputs._replace(x_BLHP=x, dt_BLH=dt, B_BLGN=B, C_BLGN=C, seq_idx_BL=seq_idx)


def _flip(tensor: Tensor) -> Tensor:
    return tensor.flip(_TIME)


def _keywords(inputs: ScanInputs, options: ScanOptions) -> dict[str, object]:
    """The other arguments, with the names of the package."""
    seq_idx_BL = inputs.seq_idx_BL
    return {
        "chunk_size": _power_of_two(options.chunk_size or _CHUNK),
        "D": None if inputs.D is None else inputs.D.float(),
        "dt_bias": None if inputs.dt_bias_H is None else inputs.dt_bias_H.float(),
        "initial_states": inputs.initial_BHPN,
        "seq_idx": None if seq_idx_BL is None else seq_idx_BL.to(torch.int32).contiguous(),
        "dt_softplus": options.dt_softplus,
        "dt_limit": options.dt_limit,
    }


def _power_of_two(chunk_size: int) -> int:
    """The largest chunk size, up to the requested one, that the kernels support."""
    return max(_SMALLEST_CHUNK, 1 << (min(chunk_size, _CHUNK).bit_length() - 1))
