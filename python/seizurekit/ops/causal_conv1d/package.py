"""The back end ``cuda-package``: the CUDA kernels of Dao's package causal-conv1d.

The package has no anti-causal direction. It supports an initial state only with D innermost, and D innermost only if
channels and strides are multiples of 8. Since version 1.6 its gradients are deterministic if
``torch.use_deterministic_algorithms`` asks for it, so older versions are not used.
"""

from __future__ import annotations

import causal_conv1d
import torch
from causal_conv1d.cpp_functions import (
    causal_conv1d_bwd_function,
    causal_conv1d_fwd_function,
    causal_conv1d_update_function,
)
from torch import Tensor

from seizurekit.kernels.causal_conv1d.contract import ConvGradients, ConvInputs, ConvOptions
from seizurekit.kernels.causal_conv1d.layout import channels_last, empty_like_layout

_OLDEST = (1, 6)
_ALIGNED = 8


def forward(inputs: ConvInputs, options: ConvOptions) -> tuple[Tensor, Tensor]:
    """y [B, D, L] and the final state [B, D, S]."""
    x_BDL, weight_DW, bias_D, initial_BDS = inputs
    y_BDL = causal_conv1d_fwd_function(x_BDL, weight_DW, bias_D, None, _channels_last(initial_BDS), None, options.silu)
    return y_BDL, x_BDL[:, :, x_BDL.shape[2] - inputs.states :].contiguous()


def backward(dy_BDL: Tensor, dfinal_BDS: Tensor | None, inputs: ConvInputs, options: ConvOptions) -> ConvGradients:
    """The gradients of all inputs."""
    x_BDL, weight_DW, bias_D, initial_BDS = inputs
    if _unsupported_strides(dy_BDL) is not None:
        dy_BDL = empty_like_layout(x_BDL).copy_(dy_BDL)
    dx_BDL, dweight, dbias, dinitial = causal_conv1d_bwd_function(
        x_BDL,
        weight_DW,
        bias_D,
        dy_BDL,
        None,
        _channels_last(initial_BDS),
        None,
        None,
        initial_BDS is not None,
        options.silu,
    )
    if dfinal_BDS is not None:
        dx_BDL[:, :, x_BDL.shape[2] - inputs.states :] += dfinal_BDS
    return ConvGradients(dx_BDL, dweight, dbias, None if dinitial is None else dinitial.contiguous())


def update(inputs: ConvInputs, state_BDN: Tensor, options: ConvOptions) -> Tensor:
    """y [B, D, 1] of one more sample; adds x to the state in place."""
    x_BD1, weight_DW, bias_D, _ = inputs
    y_BD1: Tensor = causal_conv1d_update_function(x_BD1, state_BDN, weight_DW, bias_D, options.silu, None, None)
    return y_BD1


def unavailable_reason(device: torch.device) -> str | None:
    """Why the package cannot run on a device, or None."""
    if device.type != "cuda":
        return f"runs on CUDA devices only, not on {device.type}"
    if tuple(int(part) for part in causal_conv1d.__version__.split(".")[:2]) < _OLDEST:
        return f"version is {causal_conv1d.__version__}, expected 1.6 or newer"
    return None


def unsupported_reason(inputs: ConvInputs, options: ConvOptions) -> str | None:
    """Why the package cannot compute a call, or None."""
    x_BDL = inputs.x_BDL
    if options.reverse:
        return "has no anti-causal direction"
    if x_BDL.dtype == torch.float64:
        return "has no float64"
    if x_BDL.shape[2] < inputs.states:
        return f"length {x_BDL.shape[2]} is shorter than the state"
    if inputs.initial_BDS is not None and not channels_last(x_BDL):
        return "supports an initial state only with channels innermost"
    return _unsupported_strides(x_BDL)


def _unsupported_strides(x_BDL: Tensor) -> str | None:
    if x_BDL.stride(2) == 1:
        return None
    if x_BDL.stride(1) != 1:
        return "needs the length or the channels innermost"
    channels, strides = x_BDL.shape[1], (x_BDL.stride(0), x_BDL.stride(2))
    if any(size % _ALIGNED for size in (channels, *strides)):
        return f"needs channels and strides that are multiples of {_ALIGNED}, not {channels} and {strides}"
    return None


def _channels_last(state_BDS: Tensor | None) -> Tensor | None:
    """The state with D innermost."""
    return None if state_BDS is None else state_BDS.transpose(1, 2).contiguous().transpose(1, 2)
