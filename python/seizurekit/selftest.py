"""The self-test of the kernels: every back end of every operation, and a training step, before money is spent on them.

Each back end that can serve on the device is compared with the reference in float64, forward and backward, for every
dtype, layout, width and direction that it takes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from seizurekit.config import ModelConfig
from seizurekit.models import build
from seizurekit.ops import OPERATIONS
from seizurekit.ops.deviation import Deviation
from seizurekit.ops.dispatch import Operation, described, deviations, load, why_not_here

OK, WRONG, FAILED, ABSENT = "ok", "wrong", "failed", "absent"
DETECTOR = "detector"
_STEP_TOLERANCE = 0.02
"""Relative, of the loss and the gradient's norm of a training step: a bfloat16 one against the same in float64."""


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        operation: as in `seizurekit.ops`, or ``detector``.
        backend: its name; of the detector ``chosen``, those that dispatch takes.
        precision: the dtype of the input.
        case: what was computed. Both are empty where the back end cannot serve at all.
        verdict: ``ok``; ``wrong``, its numbers are; ``failed``, it raised; ``absent``, it does not claim to work here.
        reason: why not ok.
        result: the one that is furthest off.
        error: how far, absolutely.
        tolerance: largest error that would have been ok.
        seconds: that the check took, compilation included.
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


def check_kernels(device: torch.device) -> Iterator[Check]:
    """Every check on a device, each as it ends."""
    for operation in OPERATIONS:
        for name in operation.backends:
            yield from _check_backend(operation, name, device)
    yield from _check_training_step(device)


def missing(checks: Iterable[Check], required: Sequence[str]) -> list[str]:
    """Of the names of back ends those that were not found to be ok in all they claim."""
    verdicts: dict[str, set[str]] = {}
    for check in checks:
        verdicts.setdefault(check.backend, set()).add(check.verdict)
    return [name for name in required if OK not in verdicts.get(name, set()) or verdicts[name] & {WRONG, FAILED}]


def _check_backend(operation: Operation, name: str, device: torch.device) -> Iterator[Check]:
    reason = why_not_here(operation, name, device)
    if reason is not None:
        yield Check(operation.name, name, "", "", ABSENT, reason)
        return
    for case in operation.trial.cases(device):
        if operation.trial.refusal(load(operation, name), case) is None:
            yield _check_case(operation, name, case)


def _check_case(operation: Operation, name: str, case: Any) -> Check:
    began = time.perf_counter()
    named = (operation.name, name, _short(case.dtype), str(case))
    try:
        worst = max(deviations(operation, load(operation, name), case), key=lambda deviation: deviation.share)
    except Exception as error:  # whatever a kernel's compiler, loader or driver raises is what the test is to find
        return Check(*named, FAILED, described(error), seconds=time.perf_counter() - began)
    return _compared(named, worst, time.perf_counter() - began)


def _compared(named: tuple[str, str, str, str], worst: Deviation, seconds: float) -> Check:
    verdict, reason = (OK, "") if worst.share <= 1 else (WRONG, str(worst))
    return Check(*named, verdict, reason, worst.name, worst.error, worst.tolerance, seconds)


def _check_training_step(device: torch.device) -> Iterator[Check]:
    """A step of the smallest detector, in each precision that one trains in, against one in float64."""
    wanted = _training_step(torch.device("cpu"), torch.float64)
    for precision in (torch.float32, torch.bfloat16):
        began = time.perf_counter()
        named = (DETECTOR, "chosen", _short(precision), "training step")
        try:
            found = _training_step(device, precision)
        except Exception as error:  # as above
            yield Check(*named, FAILED, described(error), seconds=time.perf_counter() - began)
            continue
        worst = max((_step_deviation(found, wanted, name) for name in wanted), key=lambda deviation: deviation.share)
        yield _compared(named, worst, time.perf_counter() - began)


def _step_deviation(found: dict[str, float], wanted: dict[str, float], name: str) -> Deviation:
    error = abs(found[name] - wanted[name])
    return Deviation(name, error if math.isfinite(error) else math.inf, _STEP_TOLERANCE * abs(wanted[name]))


def _training_step(device: torch.device, precision: torch.dtype) -> dict[str, float]:
    """The loss and the norm of its gradient, from the same numbers on every device; bfloat16 by autocast."""
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
    return {"loss": loss.item(), "norm of the gradient": torch.linalg.vector_norm(torch.stack(norms)).item()}


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
