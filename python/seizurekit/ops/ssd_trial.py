"""A small input for every case of the scan, and its comparison with the reference in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from types import ModuleType

import torch
from torch import Tensor

from seizurekit.kernels.ssd_scan import reference
from seizurekit.kernels.ssd_scan.arguments import ScanInputs, ScanOptions
from seizurekit.ops.deviation import Deviation, deviation

BATCH, LENGTH, HEADS, CHANNELS, STATES = 2, 70, 4, 16, 16
CHUNK = 32


@dataclass(frozen=True)
class ScanCase:
    """What distinguishes one compiled kernel from another; `skip` is how many dimensions D has, 0 without it."""

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
        """The case that a call is."""
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

    def __str__(self) -> str:
        extras = [name for name in ("grouped", "bias", "initial", "packed", "reverse") if getattr(self, name)]
        return ", ".join((str(self.dtype).removeprefix("torch."), f"D of {self.skip} dimensions", *extras))


def cases(device: torch.device) -> Iterator[ScanCase]:
    """What the self-test computes on a device: every dtype and direction, and each argument given and not."""
    for dtype, reverse in product((torch.float32, torch.bfloat16, torch.float16, torch.float64), (False, True)):
        yield ScanCase(device, dtype, reverse)
        yield ScanCase(device, dtype, reverse, grouped=False, skip=2, initial=False, packed=True)
        yield ScanCase(device, dtype, reverse, grouped=False, skip=0, bias=False, initial=False)


def refusal(backend: ModuleType, case: ScanCase) -> str | None:
    """Why a back end does not serve a case, or None."""
    reason: str | None = backend.why_not_call(made_up(case), _options(case))
    return reason


def deviations(backend: ModuleType, case: ScanCase) -> list[Deviation]:
    """Every result of a back end, forward and backward, against the reference in float64."""
    inputs, gradients = made_up(case), _gradients_of_results(case)
    found = _results(backend, inputs, gradients, case)
    exact = ScanInputs(*(None if t is None else _exact(t) for t in inputs))
    wanted = _results(reference, exact, [_exact(gradient) for gradient in gradients], case)
    return [deviation(name, found[name], wanted[name], case.dtype) for name in wanted]


def made_up(case: ScanCase) -> ScanInputs:
    """Arguments that need no random numbers, so that a trial leaves the generators alone."""
    groups = 2 if case.grouped else 1
    skip = {0: None, 1: (HEADS,), 2: (HEADS, CHANNELS)}[case.skip]

    def waves(shape: tuple[int, ...], phase: float, dtype: torch.dtype) -> Tensor:
        return _waves(shape, phase, case.device, dtype)

    wide = torch.float64 if case.dtype == torch.float64 else torch.float32
    return ScanInputs(
        waves((BATCH, LENGTH, HEADS, CHANNELS), 1.0, case.dtype),
        waves((BATCH, LENGTH, HEADS), 2.0, case.dtype),
        -torch.exp(waves((HEADS,), 3.0, wide)),
        waves((BATCH, LENGTH, groups, STATES), 4.0, case.dtype),
        waves((BATCH, LENGTH, groups, STATES), 5.0, case.dtype),
        None if skip is None else waves(skip, 6.0, wide),
        waves((HEADS,), 7.0, wide) if case.bias else None,
        waves((BATCH, HEADS, CHANNELS, STATES), 8.0, wide) if case.initial else None,
        (torch.arange(LENGTH, device=case.device) // 25).expand(BATCH, LENGTH) if case.packed else None,
    )


def _gradients_of_results(case: ScanCase) -> list[Tensor]:
    wide = torch.float64 if case.dtype == torch.float64 else torch.float32
    return [
        _waves((BATCH, LENGTH, HEADS, CHANNELS), 9.0, case.device, case.dtype),
        _waves((BATCH, HEADS, CHANNELS, STATES), 10.0, case.device, wide),
    ]


def _waves(shape: tuple[int, ...], phase: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    count = torch.Size(shape).numel()
    return torch.sin(torch.arange(count, dtype=torch.float64) * 12.9898 + phase).reshape(shape).to(device, dtype)


def _exact(tensor: Tensor) -> Tensor:
    """The same numbers in float64 on the CPU."""
    return tensor.cpu().double() if tensor.is_floating_point() else tensor.cpu()


def _options(case: ScanCase) -> ScanOptions:
    return ScanOptions(CHUNK, True, (0.0, float("inf")), case.reverse)


def _results(backend: ModuleType, inputs: ScanInputs, gradients: list[Tensor], case: ScanCase) -> dict[str, Tensor]:
    y, final = backend.forward(inputs, _options(case))
    names = ("d" + name.rsplit("_", 1)[0] for name in ScanInputs._fields)
    found = zip(names, backend.backward(*gradients, inputs, _options(case)), strict=False)
    return {"y": y, "final state": final} | {name: gradient for name, gradient in found if gradient is not None}
