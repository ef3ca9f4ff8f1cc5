"""Registration of differentiable operators with torch, so that autograd, torch.compile and torch.export know them.

It uses the parts of torch.library that torch 2.2 has; torch.library.custom_op came with torch 2.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_library = torch.library.Library("seizurekit", "DEF")
_register_fake = getattr(torch.library, "register_fake", None) or torch.library.impl_abstract


def register(schema: str, function: Callable[..., Any], fake: Callable[..., Any]) -> None:
    """Registers an operator ``seizurekit::name``; `fake` computes shapes and dtypes of its results for tracing."""
    name = schema.partition("(")[0]
    _library.define(schema)
    _library.impl(name, function, "CompositeExplicitAutograd")
    _register_fake(f"seizurekit::{name}")(fake)


def register_gradient(name: str, tensors: int) -> None:
    """Makes the operator `name`, which returns y and a final state, differentiable in its first arguments.

    The operator ``{name}_backward`` takes the gradients of both results (None for that of the state if it is not used)
    and all arguments of `name`. It returns the gradients of the first tensor arguments, empty for those that are None.
    Only the tensor arguments are kept for the backward pass.

    Args:
        name: the operator.
        tensors: number of its tensor arguments, which come first.
    """

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
            ctx.save_for_backward(*arguments[:tensors])
            ctx.others = arguments[tensors:]
            ctx.set_materialize_grads(False)
            with torch._C._AutoDispatchBelowAutograd():
                y, final = getattr(torch.ops.seizurekit, name)(*arguments)
            return y, final

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, dy: Tensor | None, dfinal: Tensor | None) -> tuple[Tensor | None, ...]:
            inputs = ctx.saved_tensors
            if dy is None:
                dy = torch.zeros_like(inputs[0])
            operator = getattr(torch.ops.seizurekit, f"{name}_backward")
            gradients = operator(dy, dfinal, *inputs, *ctx.others)
            given = [None if t is None else d for t, d in zip(inputs, gradients, strict=False)]
            return (*given, *[None] * (tensors + len(ctx.others) - len(given)))

    def with_autograd(*arguments: Any) -> Any:
        return Function.apply(*arguments)  # type: ignore[no-untyped-call]

    _library.impl(name, with_autograd, "Autograd")


def or_empty(gradient: Tensor | None, like: Tensor) -> Tensor:
    """The gradient, contiguous; an empty tensor for None, since operators return tensors only."""
    return like.new_empty(0) if gradient is None else gradient.contiguous()
