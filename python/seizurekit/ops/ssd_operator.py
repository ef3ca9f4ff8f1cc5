"""The scan as operators of torch, so that autograd, torch.compile and torch.export know it.

As with the convolution, a back end is chosen when an operator runs, not when it is traced. Only the inputs are kept for
the backward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seizurekit.kernels.ssd_scan.arguments import ScanInputs, ScanOptions
from seizurekit.ops import ssd_trial
from seizurekit.ops.dispatch import Operation, choose
from seizurekit.ops.ssd_trial import ScanCase

_FOLDER = "seizurekit.kernels.ssd_scan"

SSD_SCAN = Operation(
    "ssd_scan",
    {"mamba-ssm": f"{_FOLDER}.package", "torch": f"{_FOLDER}.chunked"},
    {"cuda": ("mamba-ssm", "torch"), "cpu": ("torch",)},
    ssd_trial,
)
"""What each back end needs: the package mamba-ssm, which runs on CUDA devices; nothing."""

_TENSORS = (
    "Tensor x, Tensor dt, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? dt_bias, Tensor? initial_states,"
    " Tensor? seq_idx"
)
_FLAGS = "int chunk_size, bool dt_softplus, float dt_min, float dt_max, bool reverse, str backend"
_library = torch.library.Library("seizurekit", "FRAGMENT")
_library.define(f"ssd_scan({_TENSORS}, {_FLAGS}) -> (Tensor, Tensor)")
_library.define(
    f"ssd_scan_backward(Tensor dy, Tensor? dfinal, {_TENSORS}, {_FLAGS})"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
)
_GRADIENTS = 8


def _forward(*arguments: Any) -> tuple[Tensor, Tensor]:
    inputs, options, backend = _parsed(arguments)
    with torch.autocast(inputs.x_BLHP.device.type, enabled=False):
        y, final = backend.forward(inputs, options)
    return y.contiguous(), final.contiguous()


def _backward(dy: Tensor, dfinal: Tensor | None, *arguments: Any) -> tuple[Tensor, ...]:
    inputs, options, backend = _parsed(arguments)
    with torch.autocast(dy.device.type, enabled=False):
        gradients = backend.backward(dy, dfinal, inputs, options)
    # An operator's results are tensors: an empty one stands for the gradient of what was not given.
    return tuple(dy.new_empty(0) if gradient is None else gradient.contiguous() for gradient in gradients)


def _parsed(arguments: tuple[Any, ...]) -> tuple[ScanInputs, ScanOptions, Any]:
    *tensors, chunk_size, dt_softplus, dt_min, dt_max, reverse, name = arguments
    inputs = ScanInputs(*tensors)
    options = ScanOptions(chunk_size, dt_softplus, (dt_min, dt_max), reverse)
    case = ScanCase.of(inputs, options)
    backend = choose(SSD_SCAN, case, lambda module: module.why_not_call(inputs, options), name or None)
    return inputs, options, backend


def _fake_forward(*arguments: Any) -> tuple[Tensor, Tensor]:
    inputs = ScanInputs(*arguments[: len(ScanInputs._fields)])
    batch, _, heads, channels = inputs.x_BLHP.shape
    final = inputs.x_BLHP.new_empty((batch, heads, channels, inputs.B_BLGN.shape[3]), dtype=inputs.sums)
    return inputs.x_BLHP.new_empty(inputs.x_BLHP.shape), final


def _fake_backward(dy: Tensor, dfinal: Tensor | None, *arguments: Any) -> tuple[Tensor, ...]:
    return tuple(dy.new_empty(0) if t is None else t.new_empty(t.shape) for t in arguments[:_GRADIENTS])


class _SsdScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        count = len(ScanInputs._fields)
        ctx.save_for_backward(*arguments[:count])
        ctx.flags = arguments[count:]
        ctx.set_materialize_grads(False)
        with torch._C._AutoDispatchBelowAutograd():
            y, final = torch.ops.seizurekit.ssd_scan(*arguments)
        return y, final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor | None, dfinal: Tensor | None) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        if dy is None:
            dy = torch.zeros_like(tensors[0])
        gradients = torch.ops.seizurekit.ssd_scan_backward(dy, dfinal, *tensors, *ctx.flags)
        found = (None if t is None else g for t, g in zip(tensors[:_GRADIENTS], gradients, strict=True))
        return (*found, None, *(None for _ in ctx.flags))


def _with_autograd(*arguments: Any) -> Any:
    return _SsdScan.apply(*arguments)  # type: ignore[no-untyped-call]


_register_fake = getattr(torch.library, "register_fake", None) or torch.library.impl_abstract
for _name, _function, _fake in (
    ("ssd_scan", _forward, _fake_forward),
    ("ssd_scan_backward", _backward, _fake_backward),
):
    _library.impl(_name, _function, "CompositeExplicitAutograd")
    _register_fake(f"seizurekit::{_name}")(_fake)
_library.impl("ssd_scan", _with_autograd, "Autograd")
