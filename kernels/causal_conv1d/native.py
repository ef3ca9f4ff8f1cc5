"""The causal convolution in C++ for the CPU, vectorised for the processor at hand: the back end ``native``."""

from __future__ import annotations

import torch
from torch import Tensor

from seizurekit._core import ops
from seizurekit.kernels.causal_conv1d import reference
from seizurekit.kernels.causal_conv1d.reference import channels_last, empty_like_layout


def forward(
    x_BDL: Tensor, weight_DW: Tensor, bias_D: Tensor | None, initial_BDS: Tensor | None, silu: bool, reverse: bool
) -> tuple[Tensor, Tensor]:
    """See `seizurekit.kernels.causal_conv1d.reference.forward`."""
    if x_BDL.numel() == 0:
        nothing: tuple[Tensor, Tensor] = reference.forward(x_BDL, weight_DW, bias_D, initial_BDS, silu, reverse)
        return nothing
    weight, bias = _to_sum(weight_DW, x_BDL), _to_sum(bias_D, x_BDL)
    y_BDL = empty_like_layout(x_BDL)
    final_BDS = torch.empty((*x_BDL.shape[:2], weight_DW.shape[1] - 1), dtype=x_BDL.dtype)
    ops.causal_conv1d_forward(
        *_problem(x_BDL, weight_DW, silu, reverse),
        _strided(x_BDL),
        _address(weight),
        _address(bias),
        _address(initial_BDS),
        _strided(y_BDL),
        _address(final_BDS),
    )
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
    """See `seizurekit.kernels.causal_conv1d.reference.backward`; always deterministic."""
    if x_BDL.numel() == 0:
        zeros: tuple[Tensor, Tensor, Tensor | None, Tensor | None] = reference.backward(
            dy_BDL, x_BDL, weight_DW, bias_D, initial_BDS, dfinal_BDS, silu, reverse, deterministic
        )
        return zeros
    if channels_last(dy_BDL) != channels_last(x_BDL) or dy_BDL.stride(1 if channels_last(x_BDL) else 2) != 1:
        dy_BDL = empty_like_layout(x_BDL).copy_(dy_BDL)
    weight, bias = _to_sum(weight_DW, x_BDL), _to_sum(bias_D, x_BDL)
    dx_BDL, dweight = empty_like_layout(x_BDL), torch.empty_like(weight)
    dbias = torch.empty(weight.shape[0], dtype=weight.dtype)
    dinitial_BDS = None if initial_BDS is None else torch.empty_like(initial_BDS)
    ops.causal_conv1d_backward(
        *_problem(x_BDL, weight_DW, silu, reverse),
        _strided(dy_BDL),
        _strided(x_BDL),
        _address(weight),
        _address(bias),
        _address(initial_BDS),
        _address(dfinal_BDS),
        _strided(dx_BDL),
        _address(dweight),
        _address(dbias),
        _address(dinitial_BDS),
    )
    return dx_BDL, dweight.to(weight_DW.dtype), None if bias_D is None else dbias.to(bias_D.dtype), dinitial_BDS


def update(x_BD: Tensor, state_BDN: Tensor, weight_DW: Tensor, bias_D: Tensor | None, silu: bool) -> Tensor:
    """See `seizurekit.kernels.causal_conv1d.reference.update`."""
    before = state_BDN[:, :, state_BDN.shape[2] - weight_DW.shape[1] + 1 :].contiguous()
    y_BD1, _ = forward(x_BD[:, :, None], weight_DW, bias_D, before, silu, reverse=False)
    state_BDN.copy_(torch.cat((state_BDN[:, :, 1:], x_BD[:, :, None]), dim=2))
    return y_BD1[:, :, 0]


def why_not(device: torch.device) -> str | None:
    """Why the C++ core cannot serve on the device; None where it can."""
    return None if device.type == "cpu" else f"runs on the CPU only, not on {device.type}"


def why_not_call(x_BDL: Tensor, weight_DW: Tensor, initial_BDS: Tensor | None, reverse: bool) -> str | None:
    """Everything that the contract allows is served."""
    return None


def _problem(
    x_BDL: Tensor, weight_DW: Tensor, silu: bool, reverse: bool
) -> tuple[str, tuple[int, int, int], int, bool, bool, int]:
    batch, channels, length = x_BDL.shape
    dtype = str(x_BDL.dtype).removeprefix("torch.")
    return dtype, (batch, channels, length), weight_DW.shape[1], silu, reverse, torch.get_num_threads()


def _to_sum(tensor: Tensor | None, x: Tensor) -> Tensor:
    """In the precision of the sums; an empty one for what is absent."""
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    return torch.empty(0, dtype=wide) if tensor is None else tensor.to(wide)


def _strided(tensor: Tensor) -> tuple[int, int, int, int]:
    return tensor.data_ptr(), tensor.stride(0), tensor.stride(1), tensor.stride(2)


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None or tensor.numel() == 0 else tensor.data_ptr()
