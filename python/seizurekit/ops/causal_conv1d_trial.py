"""A small input for every case of the causal convolution, and its comparison with the reference in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType

import torch
from torch import Tensor

from seizurekit.kernels.causal_conv1d import reference

BATCH, CHANNELS, LENGTH = 2, 24, 40
TOLERANCES = {
    torch.float64: (1e-10, 1e-10),
    torch.float32: (1e-4, 1e-4),
    torch.float16: (3e-3, 5e-3),
    torch.bfloat16: (1e-2, 5e-2),
}
"""Relative and absolute, by the dtype of x; the package causal-conv1d's own, and a stricter one for float32."""


@dataclass(frozen=True)
class ConvCase:
    """What distinguishes one compiled kernel from another."""

    device: torch.device
    dtype: torch.dtype
    weight_dtype: torch.dtype
    width: int
    silu: bool
    reverse: bool
    channels_last: bool
    bias: bool = True
    initial: bool = True


@dataclass(frozen=True)
class Deviation:
    """How far one result is from the reference: the largest error, and that error as a share of what is tolerated."""

    name: str
    error: float
    share: float


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


def trial(backend: ModuleType, case: ConvCase) -> str | None:
    """What is wrong with a back end's results for a case, or None."""
    worst = max(deviations(backend, case), key=lambda deviation: deviation.share)
    if worst.share <= 1.0:
        return None
    return f"wrong numbers: {worst.name} is off by {worst.error:.2g}, {worst.share:.2g} times what is tolerated"


def deviations(
    backend: ModuleType, case: ConvCase, batch: int = BATCH, channels: int = CHANNELS, length: int = LENGTH
) -> list[Deviation]:
    """Every result of a back end, forward, backward and the step of streaming, against the reference in float64."""
    found = _results(backend, made_up(case, batch, channels, length), case)
    wanted = _results(reference, made_up(case, batch, channels, length).double(), case)
    rtol, atol = TOLERANCES[case.dtype]
    return [_deviation(name, found[name], wanted[name], rtol, atol) for name in wanted]


def made_up(case: ConvCase, batch: int, channels: int, length: int) -> Arguments:
    """Arguments that need no random numbers, so that a trial leaves the generators alone."""
    x_BDL = _waves((batch, channels, length), 1.0, case.device, case.dtype)
    dy_BDL = _waves((batch, channels, length), 2.0, case.device, case.dtype)
    if case.channels_last:
        x_BDL, dy_BDL = (t.transpose(1, 2).contiguous().transpose(1, 2) for t in (x_BDL, dy_BDL))
    state = (batch, channels, case.width - 1)
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


def _deviation(name: str, found: Tensor, wanted: Tensor, rtol: float, atol: float) -> Deviation:
    if found.shape != wanted.shape:
        return Deviation(f"{name} (shape {tuple(found.shape)} for {tuple(wanted.shape)})", torch.inf, torch.inf)
    error = (found.cpu().double() - wanted).abs().nan_to_num(torch.inf)
    # A sum over the batch and the length is rounded like its terms, whose size its own may hide.
    scale = wanted.abs().clamp(min=wanted.abs().mean())
    return Deviation(name, float(error.max()), float((error / (atol + rtol * scale)).max()))
