"""Mamba-2's scan by every back end, against the recurrence step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from bench.timing import medians
from seizurekit.kernels.ssd_scan import reference
from seizurekit.kernels.ssd_scan.arguments import ScanInputs, ScanOptions
from seizurekit.models.detector import EXPAND, SIZES
from seizurekit.ops import ssd_scan
from seizurekit.ops.dispatch import why_not
from seizurekit.ops.ssd import SSD_SCAN
from seizurekit.ops.ssd_trial import ScanCase

SEQUENTIAL = "sequential recurrence"
BATCH, LENGTH = 4, 960


@dataclass(frozen=True)
class ScanRow:
    """One contender's median over the rounds, for one shape and mode."""

    shape: str
    mode: str
    contender: str
    median_ms: float
    times_sequential: float


def scan_rows(device: torch.device, rounds: int, skipped: dict[str, str]) -> list[ScanRow]:
    """Forward, and forward and backward together, for each detector's own shape at 60 s."""
    rows = []
    names = []
    for name in SSD_SCAN.backends:
        reason = why_not(SSD_SCAN, name, ScanCase(device, torch.float32, False))
        if reason is None:
            names.append(name)
        else:
            skipped[name] = reason
    for size in SIZES.values():
        inner = EXPAND * size.widths[-1]
        shape = (BATCH, LENGTH, inner // size.headdim, size.headdim, 1, size.d_state)
        arguments = _arguments(shape, device)
        for mode in ("forward", "both"):
            calls = {SEQUENTIAL: _call(_sequential, mode, arguments)} | {
                name: _call(_of_backend(name), mode, arguments) for name in names
            }
            found = medians(calls, rounds, device, repeats=5)
            title = "B {} L {} H {} P {} G {} N {}".format(*shape)
            rows += [ScanRow(title, mode, name, found[name] * 1e3, found[SEQUENTIAL] / found[name]) for name in calls]
    return rows


def _arguments(shape: tuple[int, ...], device: torch.device) -> list[Tensor]:
    batch, length, heads, channels, groups, states = shape
    step = (batch, length)
    tensors = [
        torch.randn(*step, heads, channels),
        torch.rand(*step, heads) * 0.1,
        -1 - 15 * torch.rand(heads),
        torch.randn(*step, groups, states),
        torch.randn(*step, groups, states),
    ]
    return [tensor.to(device).requires_grad_() for tensor in tensors]


def _sequential(*tensors: Tensor) -> tuple[Tensor, Tensor]:
    found: tuple[Tensor, Tensor] = reference.forward(ScanInputs(*tensors), ScanOptions())
    return found


def _of_backend(name: str) -> Callable[..., object]:
    return partial(ssd_scan, backend=name)


def _call(scan: Callable[..., object], mode: str, arguments: list[Tensor]) -> Callable[[], object]:
    def y() -> Tensor:
        found = scan(*arguments)
        result: Tensor = found[0] if isinstance(found, tuple) else found  # type: ignore[assignment]
        return result

    def forward() -> object:
        with torch.no_grad():
            return y()

    return forward if mode == "forward" else lambda: torch.autograd.grad(y().sum(), arguments)
