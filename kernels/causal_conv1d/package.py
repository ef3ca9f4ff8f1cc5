"""The causal convolution of Dao's package causal-conv1d: the back end ``cuda-package``.

The package has no anti-causal direction, takes states with D innermost only, and then wants channels and strides in
multiples of 8; such calls go to another back end. From 1.6 on its gradients are deterministic where
``torch.use_deterministic_algorithms`` asks for it, which is why older ones are not used.
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

from seizurekit.kernels.causal_conv1d.reference import channels_last, empty_like_layout

_OLDEST = (1, 6)
_ALIGNED = 8


def forward(
    x_BDL: Tensor, weight_DW: Tensor, bias_D: Tensor | None, initial_BDS: Tensor | None, silu: bool, reverse: bool
) -> tuple[Tensor, Tensor]:
    """See `seizurekit.kernels.causal_conv1d.reference.forward`."""
    y_BDL = causal_conv1d_fwd_function(x_BDL, weight_DW, bias_D, None, _states(initial_BDS), None, silu)
    states = weight_DW.shape[1] - 1
    final_BDS = x_BDL[:, :, x_BDL.shape[2] - states :].contiguous()
    return y_BDL, final_BDS


def backward(
    dy_BDL: Tensor,
    x_BDL: Tensor,
    weight_DW: Tensor,
    bias_D: Tensor | None,
    initial_BDS: Tensor | None,
    dfinal_BDS: Tensor | None,
    silu: bool,
    reverse: bool,
    deterministic: bool,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """See `seizurekit.kernels.causal_conv1d.reference.backward`."""
    if channels_last(dy_BDL) != channels_last(x_BDL) or _why_not_strides(dy_BDL) is not None:
        dy_BDL = empty_like_layout(x_BDL).copy_(dy_BDL)
    dx_BDL, dweight, dbias, dinitial = causal_conv1d_bwd_function(
        x_BDL,
        weight_DW,
        bias_D,
        dy_BDL,
        None,
        _states(initial_BDS),
        None,
        None,
        initial_BDS is not None,
        silu,
    )
    if dfinal_BDS is not None:
        dx_BDL[:, :, x_BDL.shape[2] - dfinal_BDS.shape[2] :] += dfinal_BDS
    return dx_BDL, dweight, dbias, None if dinitial is None else dinitial.contiguous()


def update(x_BD: Tensor, state_BDN: Tensor, weight_DW: Tensor, bias_D: Tensor | None, silu: bool) -> Tensor:
    """See `seizurekit.kernels.causal_conv1d.reference.update`."""
    y_BD1: Tensor = causal_conv1d_update_function(x_BD[:, :, None], state_BDN, weight_DW, bias_D, silu, None, None)
    return y_BD1[:, :, 0]


def why_not(device: torch.device) -> str | None:
    """Why the package cannot serve on the device; None where it can."""
    if device.type != "cuda":
        return f"runs on CUDA devices only, not on {device.type}"
    if tuple(int(part) for part in causal_conv1d.__version__.split(".")[:2]) < _OLDEST:
        return f"version {causal_conv1d.__version__} is installed, 1.6 or newer is wanted"
    return None


def why_not_call(x_BDL: Tensor, weight_DW: Tensor, initial_BDS: Tensor | None, reverse: bool) -> str | None:
    """Why these arguments are not for the package; None where they are."""
    if reverse:
        return "has no anti-causal direction"
    if x_BDL.dtype == torch.float64:
        return "has no float64"
    if 0 in x_BDL.shape or x_BDL.shape[2] < weight_DW.shape[1] - 1:
        return f"length {x_BDL.shape[2]} is shorter than the state"
    if initial_BDS is not None and not channels_last(x_BDL):
        return "takes an initial state with channels innermost only"
    return _why_not_strides(x_BDL)


def _why_not_strides(x_BDL: Tensor) -> str | None:
    if x_BDL.stride(2) == 1:
        return None
    if x_BDL.stride(1) != 1:
        return "wants the length or the channels innermost"
    found = (x_BDL.shape[1], x_BDL.stride(0), x_BDL.stride(2))
    if any(number % _ALIGNED for number in found):
        return f"wants channels and strides in multiples of {_ALIGNED}, not {found[0]} and {found[1:]}"
    return None


def _states(initial_BDS: Tensor | None) -> Tensor | None:
    """The same with D innermost, as the package wants its states."""
    return None if initial_BDS is None else initial_BDS.transpose(1, 2).contiguous().transpose(1, 2)
