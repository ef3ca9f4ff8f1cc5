"""The back end ``native``: C++ on the CPU, vectorized for the instruction set of the CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from seizurekit._core import ops
from seizurekit.kernels.causal_conv1d.contract import ConvGradients, ConvInputs, ConvOptions
from seizurekit.kernels.causal_conv1d.layout import empty_like_layout


def forward(inputs: ConvInputs, options: ConvOptions) -> tuple[Tensor, Tensor]:
    """y [B, D, L] and the final state [B, D, S]."""
    x_BDL = inputs.x_BDL
    y_BDL = empty_like_layout(x_BDL)
    final_BDS = torch.empty((*x_BDL.shape[:2], inputs.states), dtype=x_BDL.dtype)
    weight, bias = _in_sum_dtype(inputs.weight_DW, inputs), _in_sum_dtype(inputs.bias_D, inputs)
    kernel = ops.Filter(weight=_address(weight), bias=_address(bias), initial=_address(inputs.initial_BDS))
    ops.causal_conv1d_forward(
        _convolution(inputs, options),
        _address_and_strides(x_BDL),
        kernel,
        _address_and_strides(y_BDL),
        _address(final_BDS),
    )
    return y_BDL, final_BDS


def backward(dy_BDL: Tensor, dfinal_BDS: Tensor | None, inputs: ConvInputs, options: ConvOptions) -> ConvGradients:
    """The gradients of all inputs."""
    x_BDL, weight_DW, bias_D, initial_BDS = inputs
    weight, bias = _in_sum_dtype(weight_DW, inputs), _in_sum_dtype(bias_D, inputs)
    dx_BDL, dweight = empty_like_layout(x_BDL), torch.empty_like(weight)
    dbias = torch.empty(weight.shape[0], dtype=weight.dtype)
    dinitial_BDS = None if initial_BDS is None else torch.empty_like(initial_BDS)
    kernel = ops.Filter(weight=_address(weight), bias=_address(bias), initial=_address(initial_BDS))
    gradients = ops.Gradients(
        x=_address_and_strides(dx_BDL), weight=_address(dweight), bias=_address(dbias), initial=_address(dinitial_BDS)
    )
    ops.causal_conv1d_backward(
        _convolution(inputs, options),
        _address_and_strides(dy_BDL),
        _address_and_strides(x_BDL),
        kernel,
        _address(dfinal_BDS),
        gradients,
    )
    dbias_D = None if bias_D is None else dbias.to(bias_D.dtype)
    return ConvGradients(dx_BDL, dweight.to(weight_DW.dtype), dbias_D, dinitial_BDS)


def update(inputs: ConvInputs, state_BDN: Tensor, options: ConvOptions) -> Tensor:
    """y [B, D, 1] of one more sample; adds x to the state in place."""
    before = state_BDN[:, :, state_BDN.shape[2] - inputs.states :].contiguous()
    y_BD1, _ = forward(inputs._replace(initial_BDS=before), options)
    state_BDN.copy_(torch.cat((state_BDN[:, :, 1:], inputs.x_BDL), dim=2))
    return y_BD1


def unavailable_reason(device: torch.device) -> str | None:
    """Why the C++ core cannot run on a device, or None."""
    return None if device.type == "cpu" else f"runs on the CPU only, not on {device.type}"


def unsupported_reason(inputs: ConvInputs, options: ConvOptions) -> str | None:
    """None: the C++ core computes every call."""
    return None


def _convolution(inputs: ConvInputs, options: ConvOptions) -> ops.Convolution:
    batch, channels, length = inputs.x_BDL.shape
    return ops.Convolution(
        dtype=str(inputs.x_BDL.dtype).removeprefix("torch."),
        shape=(batch, channels, length),
        width=inputs.weight_DW.shape[1],
        silu=options.silu,
        reverse=options.reverse,
        threads=torch.get_num_threads(),
    )


def _in_sum_dtype(tensor: Tensor | None, inputs: ConvInputs) -> Tensor:
    """The tensor in the dtype of sums; an empty one for None."""
    return torch.empty(0, dtype=inputs.sum_dtype) if tensor is None else tensor.to(inputs.sum_dtype)


def _address_and_strides(tensor: Tensor) -> tuple[int, int, int, int]:
    return tensor.data_ptr(), tensor.stride(0), tensor.stride(1), tensor.stride(2)


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None or tensor.numel() == 0 else tensor.data_ptr()
