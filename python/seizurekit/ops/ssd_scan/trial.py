"""An example for every case of the scan, and its comparison with the reference in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from torch import Tensor

from seizurekit.kernels.ssd_scan import reference
from seizurekit.kernels.ssd_scan.contract import ScanBackend, ScanInputs, ScanOptions
from seizurekit.ops.comparison import Comparison, compare, example_values

BATCH, LENGTH, HEADS, CHANNELS, STATES = 2, 70, 4, 16, 16
CHUNK = 32


@dataclass(frozen=True)
class ScanCase:
    """What distinguishes one compiled kernel from another; `skip` is the number of dimensions of D, 0 without D."""

    device: torch.device
    dtype: torch.dtype
    reverse: bool
    grouped: bool = True
    skip: int = 1
    bias: bool = True
    initial: bool = True
    packed: bool = False

    @classmethod
    def of(cls, inputs: ScanInputs, options: ScanOptions) -> ScanCase:
        """The case of a call."""
        return cls(
            inputs.x_BLHP.device,
            inputs.x_BLHP.dtype,
            options.reverse,
            inputs.B_BLGN.shape[2] > 1,
            0 if inputs.D is None else inputs.D.ndim,
            inputs.dt_bias_H is not None,
            inputs.initial_BHPN is not None,
            inputs.seq_idx_BL is not None,
        )

    @property
    def options(self) -> ScanOptions:
        """The options of a call."""
        return ScanOptions(CHUNK, dt_softplus=True, reverse=self.reverse)

    def __str__(self) -> str:
        extras = [name for name in ("grouped", "bias", "initial", "packed", "reverse") if getattr(self, name)]
        return ", ".join((str(self.dtype).removeprefix("torch."), f"{self.skip}-dimensional D", *extras))


def cases(device: torch.device) -> Iterator[ScanCase]:
    """The cases of the self-test: every dtype and direction, with and without each optional tensor."""
    for dtype, reverse in product((torch.float32, torch.bfloat16, torch.float16, torch.float64), (False, True)):
        yield ScanCase(device, dtype, reverse)
        yield ScanCase(device, dtype, reverse, grouped=False, skip=2, initial=False, packed=True)
        yield ScanCase(device, dtype, reverse, grouped=False, skip=0, bias=False, initial=False)


def unsupported_reason(backend: ScanBackend, case: ScanCase) -> str | None:
    """Why a back end cannot compute a case, or None."""
    return backend.unsupported_reason(example_inputs(case), case.options)


def errors_vs_reference(backend: ScanBackend, case: ScanCase) -> list[Comparison]:
    """Every result of a back end, forward and backward, compared with the reference."""
    inputs, gradients = example_inputs(case), _example_gradients(case)
    results = _results(backend, inputs, gradients, case)
    exact = ScanInputs._make(None if t is None else _exact(t) for t in inputs)
    expected = _results(reference, exact, [_exact(gradient) for gradient in gradients], case)
    return [compare(name, results[name], expected[name], case.dtype) for name in expected]


def example_inputs(case: ScanCase) -> ScanInputs:
    """Small inputs of a case."""
    groups = 2 if case.grouped else 1
    skip = {0: None, 1: (HEADS,), 2: (HEADS, CHANNELS)}[case.skip]
    values = partial(example_values, device=case.device, dtype=case.dtype)
    wide = partial(example_values, device=case.device, dtype=_sum_dtype(case))
    return ScanInputs(
        values((BATCH, LENGTH, HEADS, CHANNELS), 1.0),
        values((BATCH, LENGTH, HEADS), 2.0),
        -torch.exp(wide((HEADS,), 3.0)),
        values((BATCH, LENGTH, groups, STATES), 4.0),
        values((BATCH, LENGTH, groups, STATES), 5.0),
        None if skip is None else wide(skip, 6.0),
        wide((HEADS,), 7.0) if case.bias else None,
        wide((BATCH, HEADS, CHANNELS, STATES), 8.0) if case.initial else None,
        (torch.arange(LENGTH, device=case.device) // 25).expand(BATCH, LENGTH) if case.packed else None,
    )


def _example_gradients(case: ScanCase) -> list[Tensor]:
    """Gradients of y and of the final state."""
    return [
        example_values((BATCH, LENGTH, HEADS, CHANNELS), 9.0, case.device, case.dtype),
        example_values((BATCH, HEADS, CHANNELS, STATES), 10.0, case.device, _sum_dtype(case)),
    ]


def _sum_dtype(case: ScanCase) -> torch.dtype:
    return torch.float64 if case.dtype == torch.float64 else torch.float32


def _exact(tensor: Tensor) -> Tensor:
    """The tensor on the CPU, as float64 unless it holds integers."""
    return tensor.cpu().double() if tensor.is_floating_point() else tensor.cpu()


def _results(backend: ScanBackend, inputs: ScanInputs, gradients: list[Tensor], case: ScanCase) -> dict[str, Tensor]:
    dy, dfinal = gradients
    y, final = backend.forward(inputs, case.options)
    names = ("d" + name.rsplit("_", 1)[0] for name in ScanInputs._fields)
    dinputs = zip(names, backend.backward(dy, dfinal, inputs, case.options), strict=False)
    return {"y": y, "final state": final} | {name: gradient for name, gradient in dinputs if gradient is not None}
