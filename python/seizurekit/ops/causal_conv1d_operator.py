"""The causal convolution as operators of torch, so that autograd, torch.compile and torch.export know it.

The operators choose a back end when they run, not when they are traced: a compiled or exported model takes what the
machine that runs it has. They are made with the parts of torch.library that torch 2.2 already has.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seizurekit.kernels.causal_conv1d.reference import channels_last, empty_like_layout
from seizurekit.ops import causal_conv1d_trial
from seizurekit.ops.causal_conv1d_trial import ConvCase
from seizurekit.ops.dispatch import Operation, choose

_FOLDER = "seizurekit.kernels.causal_conv1d"

CAUSAL_CONV1D = Operation(
    "causal_conv1d",
    {
        "cuda-package": f"{_FOLDER}.package",
        "triton": f"{_FOLDER}.triton",
        "cuda": f"{_FOLDER}.cuda",
        "native": f"{_FOLDER}.native",
        "torch": f"{_FOLDER}.reference",
    },
    {"cuda": ("cuda-package", "triton", "cuda", "torch"), "cpu": ("native", "torch")},
    causal_conv1d_trial,
)
"""What each back end needs: the package causal-conv1d; the package triton; the library that CMake builds where there is
nvcc; the C++ core; nothing."""

_library = torch.library.Library("seizurekit", "DEF")
_library.define(
    "causal_conv1d(Tensor x, Tensor weight, Tensor? bias, Tensor? initial_state, bool silu, bool reverse, str backend)"
    " -> (Tensor, Tensor)"
)
_library.define(
    "causal_conv1d_backward(Tensor dy, Tensor x, Tensor weight, Tensor? bias, Tensor? initial_state, Tensor? dfinal,"
    " bool silu, bool reverse, str backend) -> (Tensor, Tensor, Tensor, Tensor)"
)
_library.define(
    "causal_conv1d_update(Tensor x, Tensor(a!) state, Tensor weight, Tensor? bias, bool silu, str backend) -> Tensor"
)


def _backend(
    x_BDL: Tensor,
    weight_DW: Tensor,
    bias: Tensor | None,
    initial_BDS: Tensor | None,
    silu: bool,
    reverse: bool,
    name: str,
) -> Any:
    case = ConvCase(
        x_BDL.device,
        x_BDL.dtype,
        weight_DW.dtype,
        weight_DW.shape[1],
        silu,
        reverse,
        channels_last(x_BDL),
        x_BDL.shape[1] % 8 == 0,
        bias is not None,
        initial_BDS is not None,
    )
    return choose(
        CAUSAL_CONV1D,
        case,
        lambda backend: backend.why_not_call(x_BDL, weight_DW, initial_BDS, reverse),
        name or None,
    )


def _dense(x_BDL: Tensor) -> Tensor:
    """The same with the length or the channels innermost."""
    return x_BDL if 1 in (x_BDL.stride(1), x_BDL.stride(2)) else x_BDL.contiguous()


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, initial: Tensor | None, silu: bool, reverse: bool, backend: str
) -> tuple[Tensor, Tensor]:
    x, weight, bias, initial = _dense(x), weight.contiguous(), _contiguous(bias), _contiguous(initial)
    module = _backend(x, weight, bias, initial, silu, reverse, backend)
    y, final = module.forward(x, weight, bias, initial, silu, reverse)
    return y, final.contiguous()


def _backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    initial: Tensor | None,
    dfinal: Tensor | None,
    silu: bool,
    reverse: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x, weight, bias, initial = _dense(x), weight.contiguous(), _contiguous(bias), _contiguous(initial)
    module = _backend(x, weight, bias, initial, silu, reverse, backend)
    deterministic = torch.are_deterministic_algorithms_enabled()
    dx, dweight, dbias, dinitial = module.backward(
        dy, x, weight, bias, initial, _contiguous(dfinal), silu, reverse, deterministic
    )
    return dx, dweight, _or_nothing(dbias, weight), _or_nothing(dinitial, x)


def _or_nothing(gradient: Tensor | None, like: Tensor) -> Tensor:
    """An operator's results are tensors: an empty one stands for the gradient of what was not given."""
    return like.new_empty(0) if gradient is None else gradient.contiguous()


def _update(x: Tensor, state: Tensor, weight: Tensor, bias: Tensor | None, silu: bool, backend: str) -> Tensor:
    tight = state.contiguous()
    module = _backend(x[:, :, None], weight, bias, tight, silu, False, backend)
    y: Tensor = module.update(x.contiguous(), tight, weight.contiguous(), _contiguous(bias), silu)
    if tight is not state:
        state.copy_(tight)
    return y.contiguous()


def _fake_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, initial: Tensor | None, silu: bool, reverse: bool, backend: str
) -> tuple[Tensor, Tensor]:
    return empty_like_layout(x), x.new_empty((x.shape[0], x.shape[1], weight.shape[1] - 1))


def _fake_backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    initial: Tensor | None,
    dfinal: Tensor | None,
    silu: bool,
    reverse: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    dbias = weight.new_empty(0 if bias is None else bias.shape)
    dinitial = x.new_empty(0 if initial is None else initial.shape)
    return empty_like_layout(x), weight.new_empty(weight.shape), dbias, dinitial


def _fake_update(x: Tensor, state: Tensor, weight: Tensor, bias: Tensor | None, silu: bool, backend: str) -> Tensor:
    return x.new_empty(x.shape)


class _CausalConv1d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        x, weight, bias, initial, *flags = arguments
        ctx.save_for_backward(x, weight, bias, initial)
        ctx.flags = flags
        ctx.set_materialize_grads(False)
        with torch._C._AutoDispatchBelowAutograd():
            y, final = torch.ops.seizurekit.causal_conv1d(*arguments)
        return y, final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor | None, dfinal: Tensor | None) -> tuple[Tensor | None, ...]:
        x, weight, bias, initial = ctx.saved_tensors
        if dy is None:
            dy = torch.zeros_like(x)
        dx, dweight, dbias, dinitial = torch.ops.seizurekit.causal_conv1d_backward(
            dy, x, weight, bias, initial, dfinal, *ctx.flags
        )
        return (
            dx,
            dweight,
            None if bias is None else dbias,
            None if initial is None else dinitial,
            *(None for _ in ctx.flags),
        )


def _with_autograd(*arguments: Any) -> Any:
    return _CausalConv1d.apply(*arguments)  # type: ignore[no-untyped-call]


_register_fake = getattr(torch.library, "register_fake", None) or torch.library.impl_abstract
for _name, _function, _fake in (
    ("causal_conv1d", _forward, _fake_forward),
    ("causal_conv1d_backward", _backward, _fake_backward),
    ("causal_conv1d_update", _update, _fake_update),
):
    _library.impl(_name, _function, "CompositeExplicitAutograd")
    _register_fake(f"seizurekit::{_name}")(_fake)
_library.impl("causal_conv1d", _with_autograd, "Autograd")
