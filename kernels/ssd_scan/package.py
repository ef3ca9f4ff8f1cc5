"""Mamba-2's scan by the Triton kernels of the package mamba-ssm: the back end ``mamba-ssm``.

The package has no anti-causal direction: there the inputs are flipped in memory, since its kernels read time forwards.
"""

from __future__ import annotations

import torch
from mamba_ssm.ops.triton.ssd_combined import _mamba_chunk_scan_combined_bwd, _mamba_chunk_scan_combined_fwd
from torch import Tensor

from seizurekit.kernels.ssd_scan.arguments import Gradients, ScanInputs, ScanOptions

_CHUNK = 256
_SMALLEST_CHUNK = 16
_TIME = 1


def forward(inputs: ScanInputs, options: ScanOptions) -> tuple[Tensor, Tensor]:
    """See `seizurekit.kernels.ssd_scan.reference.forward`."""
    inputs = _in_order(inputs, options)
    y_BLHP, _, _, _, _, final_BHPN = _mamba_chunk_scan_combined_fwd(
        inputs.x_BLHP,
        inputs.dt_BLH,
        inputs.A_H.float(),
        inputs.B_BLGN,
        inputs.C_BLGN,
        **_keywords(inputs, options),
    )
    return _flipped(y_BLHP) if options.reverse else y_BLHP, final_BHPN.float()


def backward(dy_BLHP: Tensor, dfinal_BHPN: Tensor | None, inputs: ScanInputs, options: ScanOptions) -> Gradients:
    """See `seizurekit.kernels.ssd_scan.reference.backward`."""
    ordered = _in_order(inputs, options)
    # Without a gate the outputs are only asked for their shape, which is x's.
    dx, ddt, dA, dB, dC, dD, _, ddt_bias, dinitial = _mamba_chunk_scan_combined_bwd(
        _flipped(dy_BLHP) if options.reverse else dy_BLHP,
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
        dx, ddt, dB, dC = (_flipped(gradient) for gradient in (dx, ddt, dB, dC))
    found = (dx, ddt, dA, dB, dC, dD, ddt_bias, dinitial)
    return tuple(None if g is None else d.to(g.dtype) for g, d in zip(inputs[:-1], found, strict=True))


def why_not(device: torch.device) -> str | None:
    """Why the package cannot serve on the device; None where it can."""
    return None if device.type == "cuda" else f"runs on CUDA devices only, not on {device.type}"


def why_not_call(inputs: ScanInputs, options: ScanOptions) -> str | None:
    """Why these arguments are not for the package; None where they are."""
    if inputs.x_BLHP.dtype == torch.float64:
        return "has no float64"
    if inputs.x_BLHP.numel() == 0 or inputs.B_BLGN.numel() == 0:
        return "wants at least one element"
    return None


def _in_order(inputs: ScanInputs, options: ScanOptions) -> ScanInputs:
    if not options.reverse:
        return inputs
    x, dt, B, C = (_flipped(t) for t in (inputs.x_BLHP, inputs.dt_BLH, inputs.B_BLGN, inputs.C_BLGN))
    seq_idx = None if inputs.seq_idx_BL is None else _flipped(inputs.seq_idx_BL)
    return inputs._replace(x_BLHP=x, dt_BLH=dt, B_BLGN=B, C_BLGN=C, seq_idx_BL=seq_idx)


def _flipped(tensor: Tensor) -> Tensor:
    return tensor.flip(_TIME)


def _keywords(inputs: ScanInputs, options: ScanOptions) -> dict[str, object]:
    """The rest of the arguments, under the package's names."""
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
    """The chunk that its kernels can take, at most as large as asked for."""
    return max(_SMALLEST_CHUNK, 1 << (min(chunk_size, _CHUNK).bit_length() - 1))
