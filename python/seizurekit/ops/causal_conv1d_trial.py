"""A small input for every case of the causal convolution, and its comparison with the reference in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from types import ModuleType

import torch
from torch import Tensor

from seizurekit.kernels.causal_conv1d import reference
from seizurekit.ops.deviation import Deviation, deviation

BATCH, LENGTH = 2, 70
CHANNELS = {True: 24, False: 19}
"""By whether they are to be a multiple of 8."""


@dataclass(frozen=True)
class ConvCase:
    """What distinguishes one compiled kernel from another; `aligned` is whether the channels are a multiple of 8."""

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

    def __str__(self) -> str:
        extras = [name for name in ("aligned", "silu", "bias", "initial", "reverse") if getattr(self, name)]
        weight = "" if self.weight_dtype == self.dtype else f" with {_short(self.weight_dtype)} weights"
        layout = "channels" if self.channels_last else "length"
        return ", ".join((f"{_short(self.dtype)}{weight}", f"width {self.width}", f"{layout} innermost", *extras))


@dataclass(frozen=True)
class Arguments:
    """The arguments of ``forward`` and ``backward`` for one case."""

    x_BDL: Tensor
    weight_DW: Tensor
    bias_D: Tensor | None
    initial_BDS: Tensor | None
    dy_BDL: Tensor
    dfinal_BDS: Tensor

    def double(self) -> Arguments:
        """The same numbers in float64 on the CPU."""
        return replace(self, **{name: t.cpu().double() for name, t in vars(self).items() if t is not None})


def cases(device: torch.device) -> Iterator[ConvCase]:
    """What the self-test computes on a device: every dtype, layout, width and direction, and some bare ones."""
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        weight = torch.float64 if dtype == torch.float64 else torch.float32
        for channels_last, width, reverse in product((True, False), (4, 3, 2), (False, True)):
            yield ConvCase(device, dtype, weight, width, True, reverse, channels_last)
        for channels_last in (True, False):
            yield ConvCase(device, dtype, dtype, 4, False, False, channels_last, False, bias=False, initial=False)


def refusal(backend: ModuleType, case: ConvCase) -> str | None:
    """Why a back end does not serve a case, or None."""
    arguments = made_up(case)
    reason: str | None = backend.why_not_call(arguments.x_BDL, arguments.weight_DW, arguments.initial_BDS, case.reverse)
    return reason


def deviations(backend: ModuleType, case: ConvCase) -> list[Deviation]:
    """Every result of a back end, forward, backward and the step of streaming, against the reference in float64."""
    arguments = made_up(case)
    found = _results(backend, arguments, case)
    wanted = _results(reference, arguments.double(), case)
    return [deviation(name, found[name], wanted[name], case.dtype) for name in wanted]


def made_up(case: ConvCase) -> Arguments:
    """Arguments that need no random numbers, so that a trial leaves the generators alone."""
    channels = CHANNELS[case.aligned]
    x_BDL = _waves((BATCH, channels, LENGTH), 1.0, case.device, case.dtype)
    dy_BDL = _waves((BATCH, channels, LENGTH), 2.0, case.device, case.dtype)
    if case.channels_last:
        x_BDL, dy_BDL = (t.transpose(1, 2).contiguous().transpose(1, 2) for t in (x_BDL, dy_BDL))
    state = (BATCH, channels, case.width - 1)
    return Arguments(
        x_BDL,
        _waves((channels, case.width), 3.0, case.device, case.weight_dtype),
        _waves((channels,), 4.0, case.device, case.weight_dtype) if case.bias else None,
        _waves(state, 5.0, case.device, case.dtype) if case.initial else None,
        dy_BDL,
        _waves(state, 6.0, case.device, case.dtype),
    )


def _waves(shape: tuple[int, ...], phase: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    count = torch.Size(shape).numel()
    return torch.sin(torch.arange(count, dtype=torch.float64) * 12.9898 + phase).reshape(shape).to(device, dtype)


def _results(backend: ModuleType, a: Arguments, case: ConvCase) -> dict[str, Tensor]:
    call = (a.x_BDL, a.weight_DW, a.bias_D, a.initial_BDS)
    y, final = backend.forward(*call, case.silu, case.reverse)
    dx, dweight, dbias, dinitial = backend.backward(a.dy_BDL, *call, a.dfinal_BDS, case.silu, case.reverse, False)
    results = {"y": y, "final state": final, "dx": dx, "dweight": dweight}
    if a.bias_D is not None:
        results["dbias"] = dbias
    if a.initial_BDS is not None:
        results["dinitial"] = dinitial
    if a.initial_BDS is not None and not case.reverse:
        state = a.initial_BDS.clone()
        results["step"] = backend.update(a.x_BDL[:, :, 0], state, a.weight_DW, a.bias_D, case.silu)
        results["state after the step"] = state
    return results


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
