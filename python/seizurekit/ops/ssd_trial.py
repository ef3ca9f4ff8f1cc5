"""A small input for every case of the state-space scan, and its comparison with the recurrence in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from types import ModuleType

import torch
from torch import Tensor

from seizurekit.kernels.ssd_scan import reference
from seizurekit.ops.deviation import Deviation, deviation

BATCH, LENGTH, HEADS, CHANNELS, GROUPS, STATES = 2, 70, 4, 16, 2, 16


@dataclass(frozen=True)
class ScanCase:
    """What distinguishes one compiled kernel from another; `extras` is whether D, z and an initial state are there."""

    device: torch.device
    dtype: torch.dtype
    reverse: bool
    extras: bool = True

    def __str__(self) -> str:
        flags = [name for name in ("extras", "reverse") if getattr(self, name)]
        return ", ".join((str(self.dtype).removeprefix("torch."), *flags))


def cases(device: torch.device) -> Iterator[ScanCase]:
    """What the self-test computes on a device."""
    dtypes = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
    for dtype, reverse, extras in product(dtypes, (False, True), (True, False)):
        yield ScanCase(device, dtype, reverse, extras)


def refusal(backend: ModuleType, case: ScanCase) -> str | None:
    """Why a back end does not serve a case, or None."""
    call = made_up(case)
    reason: str | None = backend.why_not_call(call["x_BLHP"], call["B_BLGN"], call.get("initial_BHPN"), case.reverse)
    return reason


def deviations(backend: ModuleType, case: ScanCase) -> list[Deviation]:
    """The outputs, the final state and every gradient against the reference's in float64."""
    call = made_up(case)
    found = _results(backend, call, case)
    wanted = _results(reference, {name: tensor.cpu().double() for name, tensor in call.items()}, case)
    return [deviation(name, found[name], wanted[name], case.dtype) for name in wanted]


def made_up(case: ScanCase) -> dict[str, Tensor]:
    """Arguments that need no random numbers, so that a trial leaves the generators alone."""
    steps = (BATCH, LENGTH)
    call = {
        "x_BLHP": _waves((*steps, HEADS, CHANNELS), 1.0).to(case.dtype),
        "dt_BLH": _waves((*steps, HEADS), 2.0).to(case.dtype),
        "A_H": (-1.5 - _waves((HEADS,), 3.0)).float(),
        "B_BLGN": _waves((*steps, GROUPS, STATES), 4.0).to(case.dtype),
        "C_BLGN": _waves((*steps, GROUPS, STATES), 5.0).to(case.dtype),
        "dt_bias_H": (_waves((HEADS,), 6.0) - 2).float(),
    }
    if case.extras:
        call["D"] = _waves((HEADS,), 7.0).float()
        call["z_BLHP"] = _waves((*steps, HEADS, CHANNELS), 8.0).to(case.dtype)
        call["initial_BHPN"] = _waves((BATCH, HEADS, CHANNELS, STATES), 9.0).float()
    wide = torch.float64 if case.dtype == torch.float64 else torch.float32
    return {
        name: tensor.to(case.device, wide if tensor.dtype == torch.float32 else tensor.dtype)
        for name, tensor in call.items()
    }


def _waves(shape: tuple[int, ...], phase: float) -> Tensor:
    count = torch.Size(shape).numel()
    return torch.sin(torch.arange(count, dtype=torch.float64) * 12.9898 + phase).reshape(shape)


def _results(backend: ModuleType, call: dict[str, Tensor], case: ScanCase) -> dict[str, Tensor]:
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in call.items()}
    with torch.enable_grad():
        y, final = backend.scan(**leaves, dt_softplus=True, reverse=case.reverse)
        weight = _waves(tuple(y.shape), 10.0).to(y.device)
        gradients = torch.autograd.grad((y * weight.to(y.dtype)).sum() + final.sum(), list(leaves.values()))
    names = (f"gradient of {name.partition('_')[0]}" for name in leaves)
    return {"y": y.detach(), "final state": final.detach(), **dict(zip(names, gradients, strict=True))}
