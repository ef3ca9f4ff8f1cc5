"""The causal convolution in plain torch: the back end ``torch``, and in float64 the reference for the others.

Formulas and dimension names are in the package docstring, the contract in `seizurekit.kernels.causal_conv1d.contract`.
Unlike the other back ends this one also computes tensors without elements.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seizurekit.kernels.causal_conv1d.contract import ConvGradients, ConvInputs, ConvOptions
from seizurekit.kernels.causal_conv1d.layout import channels_last, empty_like_layout


def forward(inputs: ConvInputs, options: ConvOptions) -> tuple[Tensor, Tensor]:
    """y [B, D, L] and the final state [B, D, S], both of x's dtype."""
    extended = _extend(inputs, options)
    pre = _pre_activation(extended, inputs, options)
    y_BDL = empty_like_layout(inputs.x_BDL)
    y_BDL.copy_(pre * torch.sigmoid(pre) if options.silu else pre)
    states, length = inputs.states, inputs.x_BDL.shape[2]
    final = extended[:, :, :states].flip(-1) if options.reverse else extended[:, :, length:]
    return y_BDL, final.contiguous()


def backward(dy_BDL: Tensor, dfinal_BDS: Tensor | None, inputs: ConvInputs, options: ConvOptions) -> ConvGradients:
    """The gradients of all inputs, given those of y and of the final state."""
    x_BDL, weight_DW, bias_D, initial_BDS = inputs
    length, states, sums = x_BDL.shape[2], inputs.states, inputs.sum_dtype
    extended = _extend(inputs, options).to(sums)
    dpre = dy_BDL.to(sums)
    if options.silu:
        pre = _pre_activation(extended, inputs, options)
        sigmoid = torch.sigmoid(pre)
        dpre = dpre * sigmoid * (1 + pre * (1 - sigmoid))
    dextended = torch.zeros_like(extended)
    dweight = torch.zeros(weight_DW.shape, dtype=sums, device=x_BDL.device)
    for tap, offset in _offsets(inputs, options):
        dextended[:, :, offset : offset + length] += dpre * weight_DW[:, tap, None].to(sums)
        dweight[:, tap] = (dpre * extended[:, :, offset : offset + length]).sum((0, 2))
    if dfinal_BDS is not None and options.reverse:
        dextended[:, :, :states] += dfinal_BDS.flip(-1)
    elif dfinal_BDS is not None:
        dextended[:, :, length:] += dfinal_BDS
    start = 0 if options.reverse else states
    dx_BDL = empty_like_layout(x_BDL)
    dx_BDL.copy_(dextended[:, :, start : start + length])
    dbias = None if bias_D is None else dpre.sum((0, 2)).to(bias_D.dtype)
    dinitial = None
    if initial_BDS is not None:
        edge = dextended[:, :, length:].flip(-1) if options.reverse else dextended[:, :, :states]
        dinitial = edge.to(x_BDL.dtype).contiguous()
    return ConvGradients(dx_BDL, dweight.to(weight_DW.dtype), dbias, dinitial)


def update(inputs: ConvInputs, state_BDN: Tensor, options: ConvOptions) -> Tensor:
    """y [B, D, 1] of one more sample; adds x to the state in place."""
    before = state_BDN[:, :, state_BDN.shape[2] - inputs.states :]
    y_BD1, _ = forward(inputs._replace(initial_BDS=before), options)
    state_BDN.copy_(torch.cat((state_BDN[:, :, 1:], inputs.x_BDL), dim=2))
    return y_BD1


def unavailable_reason(device: torch.device) -> str | None:
    """None: plain torch runs on every device."""
    return None


def unsupported_reason(inputs: ConvInputs, options: ConvOptions) -> str | None:
    """None: plain torch computes every call."""
    return None


def _extend(inputs: ConvInputs, options: ConvOptions) -> Tensor:
    """x [B, D, L + S] with the initial state on the side where the convolution starts, in the order of time."""
    x_BDL = inputs.x_BDL
    edge = inputs.initial_BDS
    if edge is None:
        edge = x_BDL.new_zeros((*x_BDL.shape[:2], inputs.states))
    parts = (x_BDL, edge.flip(-1)) if options.reverse else (edge, x_BDL)
    if channels_last(x_BDL):
        return torch.cat([part.transpose(1, 2) for part in parts], dim=1).transpose(1, 2)
    return torch.cat(parts, dim=2)


def _offsets(inputs: ConvInputs, options: ConvOptions) -> list[tuple[int, int]]:
    """Each tap with its offset into the extended x."""
    return [(tap, inputs.states - tap if options.reverse else tap) for tap in range(inputs.states + 1)]


def _pre_activation(extended: Tensor, inputs: ConvInputs, options: ConvOptions) -> Tensor:
    length, sums = inputs.x_BDL.shape[2], inputs.sum_dtype
    extended, weight = extended.to(sums), inputs.weight_DW.to(sums)[:, :, None]
    (tap, offset), *others = _offsets(inputs, options)
    pre = extended[:, :, offset : offset + length] * weight[:, tap]
    for tap, offset in others:
        pre.addcmul_(extended[:, :, offset : offset + length], weight[:, tap])
    return pre if inputs.bias_D is None else pre.add_(inputs.bias_D.to(sums)[:, None])
