"""The causal convolution as operators of torch.

The operators select a back end when they run, not when they are traced: a compiled or exported model uses what the
machine that runs it has.
"""

from __future__ import annotations

from torch import Tensor

from seizurekit.kernels.causal_conv1d import reference
from seizurekit.kernels.causal_conv1d.contract import ConvBackend, ConvInputs, ConvOptions
from seizurekit.kernels.causal_conv1d.layout import empty_like_layout, in_layout_of
from seizurekit.ops.causal_conv1d.backends import CAUSAL_CONV1D
from seizurekit.ops.causal_conv1d.trial import ConvCase
from seizurekit.ops.dispatch import select
from seizurekit.ops.operators import or_empty, register, register_gradient

_ARGUMENTS = "Tensor x, Tensor weight, Tensor? bias, Tensor? initial_state, bool silu, bool reverse, str backend"


def _backend(inputs: ConvInputs, options: ConvOptions, name: str) -> ConvBackend:
    case = ConvCase.of(inputs, options)
    backend = select(CAUSAL_CONV1D, case, lambda b: b.unsupported_reason(inputs, options), name or None)
    return backend if inputs.x_BDL.numel() else reference


def _inputs(x: Tensor, weight: Tensor, bias: Tensor | None, initial: Tensor | None) -> ConvInputs:
    """The tensors with the strides that back ends expect."""
    x_BDL = x if 1 in (x.stride(1), x.stride(2)) else x.contiguous()
    return ConvInputs(x_BDL, weight.contiguous(), _contiguous(bias), _contiguous(initial))


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, initial: Tensor | None, silu: bool, reverse: bool, backend: str
) -> tuple[Tensor, Tensor]:
    inputs, options = _inputs(x, weight, bias, initial), ConvOptions(silu, reverse)
    y, final = _backend(inputs, options, backend).forward(inputs, options)
    return y, final.contiguous()


def _fake_forward(x: Tensor, weight: Tensor, *others: object) -> tuple[Tensor, Tensor]:
    return empty_like_layout(x), x.new_empty((x.shape[0], x.shape[1], weight.shape[1] - 1))


def _backward(
    dy: Tensor,
    dfinal: Tensor | None,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    initial: Tensor | None,
    silu: bool,
    reverse: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    inputs, options = _inputs(x, weight, bias, initial), ConvOptions(silu, reverse)
    dy_BDL = in_layout_of(inputs.x_BDL, dy)
    gradients = _backend(inputs, options, backend).backward(dy_BDL, _contiguous(dfinal), inputs, options)
    dx, dweight, dbias, dinitial = gradients
    return dx, dweight, or_empty(dbias, weight), or_empty(dinitial, x)


def _fake_backward(
    dy: Tensor,
    dfinal: Tensor | None,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    initial: Tensor | None,
    *others: object,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    dbias = weight.new_empty(0 if bias is None else bias.shape)
    dinitial = x.new_empty(0 if initial is None else initial.shape)
    return empty_like_layout(x), weight.new_empty(weight.shape), dbias, dinitial


def _update(x: Tensor, state: Tensor, weight: Tensor, bias: Tensor | None, silu: bool, backend: str) -> Tensor:
    inputs, options = _inputs(x.contiguous()[:, :, None], weight, bias, None), ConvOptions(silu)
    contiguous = state.contiguous()
    y_BD1 = _backend(inputs, options, backend).update(inputs, contiguous, options)
    if contiguous is not state:
        state.copy_(contiguous)
    return y_BD1[:, :, 0].contiguous()


def _fake_update(x: Tensor, *others: object) -> Tensor:
    return x.new_empty(x.shape)


register(f"causal_conv1d({_ARGUMENTS}) -> (Tensor, Tensor)", _forward, _fake_forward)
register(
    f"causal_conv1d_backward(Tensor dy, Tensor? dfinal, {_ARGUMENTS}) -> (Tensor, Tensor, Tensor, Tensor)",
    _backward,
    _fake_backward,
)
register(
    "causal_conv1d_update(Tensor x, Tensor(a!) state, Tensor weight, Tensor? bias, bool silu, str backend) -> Tensor",
    _update,
    _fake_update,
)
register_gradient("causal_conv1d", tensors=len(ConvInputs._fields))
