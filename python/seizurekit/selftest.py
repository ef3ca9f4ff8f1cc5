"""The self-test of the kernels: every back end of every operation, and a training step.

Each back end that is available on the device is compared with the reference in float64, forward and backward, for every
dtype, layout, width and direction that it supports.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from seizurekit.config import ModelConfig
from seizurekit.models import build
from seizurekit.ops import OPERATIONS
from seizurekit.ops.comparison import Comparison
from seizurekit.ops.dispatch import Operation, describe, errors_vs_reference, import_failure

OK, WRONG, FAILED, UNAVAILABLE = "ok", "wrong", "failed", "unavailable"
DETECTOR = "detector"
_STEP_TOLERANCE = 0.02
"""Relative error accepted for loss and gradient norm of a training step, which may be in bfloat16."""


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        operation: its name in `seizurekit.ops`, or ``detector``.
        backend: name of the back end; for the detector ``selected``.
        precision: dtype of the input; empty if the back end is unavailable.
        case: what was computed; empty if the back end is unavailable.
        verdict: ``ok``, ``wrong`` (wrong results), ``failed`` (it raised) or ``unavailable`` (on this device).
        reason: why the verdict is not ``ok``.
        result: name of the worst result.
        error: its absolute error.
        tolerance: largest error that is accepted for it.
        seconds: duration of the check, with compilation.
    """

    operation: str
    backend: str
    precision: str
    case: str
    verdict: str
    reason: str = ""
    result: str = ""
    error: float = 0.0
    tolerance: float = 0.0
    seconds: float = 0.0


def run_kernel_checks(device: torch.device) -> Iterator[Check]:
    """Yields every check on a device as soon as it is done."""
    for operation in OPERATIONS:
        for name in operation.backend_names:
            yield from _check_backend(operation, name, device)
    yield from _check_training_step(device)


def failed_requirements(checks: Iterable[Check], required: Sequence[str]) -> list[str]:
    """The required back ends that are unavailable, wrong or failed in some check."""
    verdicts: dict[str, set[str]] = {}
    for check in checks:
        verdicts.setdefault(check.backend, set()).add(check.verdict)
    return [name for name in required if OK not in verdicts.get(name, set()) or verdicts[name] & {WRONG, FAILED}]


def _check_backend(operation: Operation[Any, Any], name: str, device: torch.device) -> Iterator[Check]:
    reason = import_failure(operation, name, device)
    if reason is not None:
        yield Check(operation.name, name, "", "", UNAVAILABLE, reason)
        return
    backend = operation.load(name)
    for case in operation.trial.cases(device):
        if operation.trial.unsupported_reason(backend, case) is None:
            identity = (operation.name, name, _short(case.dtype), str(case))
            yield _check(identity, partial(errors_vs_reference, operation, name, case))


def _check_training_step(device: torch.device) -> Iterator[Check]:
    """A training step of the smallest detector in each precision, compared with one in float64 on the CPU."""
    expected = _training_step(torch.device("cpu"), torch.float64)
    for precision in (torch.float32, torch.bfloat16):
        identity = (DETECTOR, "selected", _short(precision), "training step")
        yield _check(identity, partial(_compare_training_step, device, precision, expected))


def _compare_training_step(
    device: torch.device, precision: torch.dtype, expected: dict[str, float]
) -> list[Comparison]:
    results = _training_step(device, precision)
    errors = {name: abs(results[name] - value) for name, value in expected.items()}
    return [
        Comparison(name, error if math.isfinite(error) else math.inf, _STEP_TOLERANCE * abs(expected[name]))
        for name, error in errors.items()
    ]


def _check(identity: tuple[str, str, str, str], comparisons: Callable[[], list[Comparison]]) -> Check:
    start = time.perf_counter()
    try:
        worst = max(comparisons(), key=lambda comparison: comparison.ratio)
    except Exception as error:  # compilers, loaders and drivers of kernels may raise anything
        return Check(*identity, FAILED, describe(error), seconds=time.perf_counter() - start)
    seconds = time.perf_counter() - start
    verdict, reason = (OK, "") if worst.ratio <= 1 else (WRONG, str(worst))
    return Check(*identity, verdict, reason, worst.name, worst.error, worst.tolerance, seconds)


def _training_step(device: torch.device, precision: torch.dtype) -> dict[str, float]:
    """Loss and gradient norm, from the same parameters and input on every device; bfloat16 by autocast."""
    parameters = torch.float64 if precision == torch.float64 else torch.float32
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build(ModelConfig(size="tiny", dropout=0.0)).to(device, parameters)
        x_BCT = torch.randn(2, 19, 2048).to(device, parameters)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        logits_BT = model(x_BCT)
    y_BT = (torch.arange(x_BCT.shape[2], device=device) % 1024 < 512).expand_as(logits_BT)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits_BT.to(parameters), y_BT.to(parameters))
    loss.backward()
    norms = [torch.linalg.vector_norm(p.grad) for p in model.parameters() if p.grad is not None]
    return {"loss": loss.item(), "gradient norm": torch.linalg.vector_norm(torch.stack(norms)).item()}


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
