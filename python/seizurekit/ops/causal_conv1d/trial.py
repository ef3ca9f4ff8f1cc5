"""An example for every case of the causal convolution, and its comparison with the reference in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from seizurekit.kernels.causal_conv1d import layout, reference
from seizurekit.kernels.causal_conv1d.contract import ConvBackend, ConvInputs, ConvOptions
from seizurekit.ops.comparison import Comparison, compare, example_values

BATCH, LENGTH = 2, 70
CHANNELS = {True: 24, False: 19}
"""By whether they are a multiple of 8."""


@dataclass(frozen=True)
class ConvCase:
    """What distinguishes one compiled kernel from another; `aligned`: the channels are a multiple of 8."""

    device: torch.device
    dtype: torch.dtype
    weight_dtype: torch.dtype
    width: int
    silu: bool
    reverse: bool
    channels_last: bool
    aligned: bool = True
    bias: bool = True
    initial: bool = True

    @classmethod
    def of(cls, inputs: ConvInputs, options: ConvOptions) -> ConvCase:
        """The case of a call."""
        return cls(
            inputs.x_BDL.device,
            inputs.x_BDL.dtype,
            inputs.weight_DW.dtype,
            inputs.weight_DW.shape[1],
            options.silu,
            options.reverse,
            layout.channels_last(inputs.x_BDL),
            inputs.x_BDL.shape[1] % 8 == 0,
            inputs.bias_D is not None,
            inputs.initial_BDS is not None,
        )

    @property
    def options(self) -> ConvOptions:
        """The options of a call."""
        return ConvOptions(self.silu, self.reverse)

    def __str__(self) -> str:
        extras = [name for name in ("aligned", "silu", "bias", "initial", "reverse") if getattr(self, name)]
        weight = "" if self.weight_dtype == self.dtype else f" with {_short(self.weight_dtype)} weights"
        innermost = "channels" if self.channels_last else "length"
        return ", ".join((f"{_short(self.dtype)}{weight}", f"width {self.width}", f"{innermost} innermost", *extras))


def cases(device: torch.device) -> Iterator[ConvCase]:
    """The cases of the self-test: every dtype, layout, width and direction, and some without optional tensors."""
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        weight = torch.float64 if dtype == torch.float64 else torch.float32
        for channels_last, width, reverse in product((True, False), (4, 3, 2), (False, True)):
            yield ConvCase(device, dtype, weight, width, True, reverse, channels_last)
        for channels_last in (True, False):
            yield ConvCase(device, dtype, dtype, 4, False, False, channels_last, False, bias=False, initial=False)


def unsupported_reason(backend: ConvBackend, case: ConvCase) -> str | None:
    """Why a back end cannot compute a case, or None."""
    return backend.unsupported_reason(example_inputs(case), case.options)


def errors_vs_reference(backend: ConvBackend, case: ConvCase) -> list[Comparison]:
    """Every result of a back end, forward, backward and for a streaming step, compared with the reference."""
    inputs, gradients = example_inputs(case), example_gradients(case)
    results = _results(backend, inputs, gradients, case)
    exact = ConvInputs._make(None if t is None else t.cpu().double() for t in inputs)
    expected = _results(reference, exact, [t.cpu().double() for t in gradients], case)
    return [compare(name, results[name], expected[name], case.dtype) for name in expected]


def example_inputs(case: ConvCase) -> ConvInputs:
    """Small inputs of a case."""
    channels = CHANNELS[case.aligned]
    return ConvInputs(
        _sequence(case, 1.0),
        example_values((channels, case.width), 3.0, case.device, case.weight_dtype),
        example_values((channels,), 4.0, case.device, case.weight_dtype) if case.bias else None,
        _state(case, 5.0) if case.initial else None,
    )


def example_gradients(case: ConvCase) -> list[Tensor]:
    """Gradients of y and of the final state."""
    return [_sequence(case, 2.0), _state(case, 6.0)]


def _sequence(case: ConvCase, phase: float) -> Tensor:
    x_BDL = example_values((BATCH, CHANNELS[case.aligned], LENGTH), phase, case.device, case.dtype)
    return x_BDL.transpose(1, 2).contiguous().transpose(1, 2) if case.channels_last else x_BDL


def _state(case: ConvCase, phase: float) -> Tensor:
    return example_values((BATCH, CHANNELS[case.aligned], case.width - 1), phase, case.device, case.dtype)


def _results(backend: ConvBackend, inputs: ConvInputs, gradients: list[Tensor], case: ConvCase) -> dict[str, Tensor]:
    dy, dfinal = gradients
    y, final = backend.forward(inputs, case.options)
    dx, dweight, dbias, dinitial = backend.backward(dy, dfinal, inputs, case.options)
    results = {"y": y, "final state": final, "dx": dx, "dweight": dweight}
    if dbias is not None:
        results["dbias"] = dbias
    if dinitial is not None:
        results["dinitial"] = dinitial
    if inputs.initial_BDS is not None and not case.reverse:
        state = inputs.initial_BDS.clone()
        sample = inputs._replace(x_BDL=inputs.x_BDL[:, :, :1], initial_BDS=None)
        results["step"] = backend.update(sample, state, case.options)
        results["state after the step"] = state
    return results


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
