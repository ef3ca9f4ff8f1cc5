"""Mamba-2's scan with every back end, next to the recurrence computed step by step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from bench.kernels.timing import time_on_device
from bench.report import Measurement, milliseconds, speed_ups
from seizurekit.kernels.ssd_scan import reference
from seizurekit.kernels.ssd_scan.contract import ScanInputs, ScanOptions
from seizurekit.models.detector import EXPAND, SIZES
from seizurekit.ops import ssd_scan
from seizurekit.ops.dispatch import unusable_reason
from seizurekit.ops.ssd_scan.backends import SSD_SCAN
from seizurekit.ops.ssd_scan.trial import ScanCase

SEQUENTIAL = "sequential recurrence"
BATCH, LENGTH = 4, 960


def measure_scans(device: torch.device, rounds: int, skipped: dict[str, str]) -> tuple[Measurement, ...]:
    """Times of the forward pass and of both passes, for the shape of each detector size at 60 s.

    Back ends that are not available are added to `skipped`, with the reason.
    """
    names = []
    for name in SSD_SCAN.backend_names:
        reason = unusable_reason(SSD_SCAN, name, ScanCase(device, torch.float32, False))
        if reason is None:
            names.append(name)
        else:
            skipped[name] = reason
    measurements: list[Measurement] = []
    for size in SIZES.values():
        inner = EXPAND * size.widths[-1]
        shape = (BATCH, LENGTH, inner // size.headdim, size.headdim, 1, size.d_state)
        arguments = _arguments(shape, device)
        for mode in ("forward", "both"):
            calls = {SEQUENTIAL: _call(_sequential, mode, arguments)} | {
                name: _call(partial(ssd_scan, backend=name), mode, arguments) for name in names
            }
            case = f"ssd_scan, {mode}, " + "B {} L {} H {} P {} G {} N {}".format(*shape)
            seconds = time_on_device(calls, rounds, device, repeats=5)
            measurements += [*milliseconds(case, seconds), *speed_ups(case, seconds, SEQUENTIAL)]
    return tuple(measurements)


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
    return reference.forward(ScanInputs(*tensors), ScanOptions())


def _call(scan: Callable[..., object], mode: str, arguments: list[Tensor]) -> Callable[[], object]:
    def y() -> Tensor:
        outputs = scan(*arguments)
        result: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs  # type: ignore[assignment]
        return result

    def forward() -> object:
        with torch.no_grad():
            return y()

    return forward if mode == "forward" else lambda: torch.autograd.grad(y().sum(), arguments)
