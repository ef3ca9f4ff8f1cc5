"""The scan as operators of torch, which select a back end when they run, not when they are traced."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seizurekit.kernels.ssd_scan import reference
from seizurekit.kernels.ssd_scan.contract import ScanBackend, ScanInputs, ScanOptions
from seizurekit.ops.dispatch import select
from seizurekit.ops.operators import or_empty, register, register_gradient
from seizurekit.ops.ssd_scan.backends import SSD_SCAN
from seizurekit.ops.ssd_scan.trial import ScanCase

_ARGUMENTS = (
    "Tensor x, Tensor dt, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? dt_bias, Tensor? initial_states,"
    " Tensor? seq_idx, int chunk_size, bool dt_softplus, float dt_min, float dt_max, bool reverse, str backend"
)
_INPUTS = len(ScanInputs._fields)
_GRADIENTS = _INPUTS - 1
"""seq_idx has none."""


def _parse(arguments: tuple[Any, ...]) -> tuple[ScanInputs, ScanOptions, ScanBackend]:
    inputs = ScanInputs(*arguments[:_INPUTS])
    chunk_size, dt_softplus, dt_min, dt_max, reverse, name = arguments[_INPUTS:]
    options = ScanOptions(chunk_size, dt_softplus, (dt_min, dt_max), reverse)
    case = ScanCase.of(inputs, options)
    backend = select(SSD_SCAN, case, lambda b: b.unsupported_reason(inputs, options), name or None)
    has_elements = inputs.x_BLHP.numel() and inputs.B_BLGN.numel()
    return inputs, options, backend if has_elements else reference


def _forward(*arguments: Any) -> tuple[Tensor, Tensor]:
    inputs, options, backend = _parse(arguments)
    with torch.autocast(inputs.x_BLHP.device.type, enabled=False):
        y, final = backend.forward(inputs, options)
    return y.contiguous(), final.contiguous()


def _fake_forward(*arguments: Any) -> tuple[Tensor, Tensor]:
    inputs = ScanInputs(*arguments[:_INPUTS])
    batch, _, heads, channels = inputs.x_BLHP.shape
    final = inputs.x_BLHP.new_empty((batch, heads, channels, inputs.B_BLGN.shape[3]), dtype=inputs.sum_dtype)
    return inputs.x_BLHP.new_empty(inputs.x_BLHP.shape), final


def _backward(dy: Tensor, dfinal: Tensor | None, *arguments: Any) -> tuple[Tensor, ...]:
    inputs, options, backend = _parse(arguments)
    with torch.autocast(dy.device.type, enabled=False):
        gradients = backend.backward(dy, dfinal, inputs, options)
    return tuple(or_empty(gradient, dy) for gradient in gradients)


def _fake_backward(dy: Tensor, dfinal: Tensor | None, *arguments: Any) -> tuple[Tensor, ...]:
    return tuple(dy.new_empty(0) if t is None else t.new_empty(t.shape) for t in arguments[:_GRADIENTS])


register(f"ssd_scan({_ARGUMENTS}) -> (Tensor, Tensor)", _forward, _fake_forward)
register(
    f"ssd_scan_backward(Tensor dy, Tensor? dfinal, {_ARGUMENTS}) -> ({', '.join(['Tensor'] * _GRADIENTS)})",
    _backward,
    _fake_backward,
)
register_gradient("ssd_scan", tensors=_INPUTS)
