"""The choice of a back end: made in the open, after the chosen one has been tried.

A back end is a module of functions (`seizurekit.kernels.causal_conv1d` tells which). For each operation and kind of
device a table gives their order of preference. Before a back end first serves a case (a device, dtypes and flags) it
runs a small input of that case, forward and backward, and is compared with the reference in float64; one that cannot be
imported, raises, or computes something else is passed over. One log line tells which was taken and why those before it
were not.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import torch

from seizurekit.errors import BackendError
from seizurekit.ops.deviation import Deviation
from seizurekit.settings import force_fallback

REFERENCE = "torch"
"""Of every operation, the back end that runs everywhere."""

_log = logging.getLogger(__name__)
_lock = threading.RLock()
_verdicts: dict[tuple[str, str, Case], str | None] = {}
_taken: dict[tuple[str, str, str], Choice] = {}


class Case(Protocol):
    """What a back end is tried for: hashable, and with the device."""

    @property
    def device(self) -> torch.device:
        """Where the operation is to run."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Choice:
    """A back end that was taken.

    Attributes:
        operation: as in `seizurekit.ops`.
        device: where.
        backend: its name.
        fallback: whether it is the plain one although there are others for this device.
        reason: why those before it were not taken; empty where none was before it.
    """

    operation: str
    device: str
    backend: str
    fallback: bool
    reason: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.device}: {self.backend}{f' ({self.reason})' if self.reason else ''}"


class Trial(Protocol):
    """How an operation's back ends are tried: a module with these functions."""

    def cases(self, device: torch.device) -> Iterable[Any]:
        """Everything that the self-test computes on a device."""

    def refusal(self, backend: ModuleType, case: Any) -> str | None:
        """Why a back end does not serve a case, or None."""

    def deviations(self, backend: ModuleType, case: Any) -> list[Deviation]:
        """Every result for a small input of the case, forward and backward, against the reference in float64."""


@dataclass(frozen=True)
class Operation:
    """One operation's back ends.

    Attributes:
        name: as in `seizurekit.ops`.
        backends: the module of each, by its name.
        preference: for each type of device their names, the best first; `REFERENCE` alone for a type that is not here.
        trial: how they are tried.
    """

    name: str
    backends: Mapping[str, str]
    preference: Mapping[str, tuple[str, ...]]
    trial: Trial

    def order(self, device: torch.device) -> tuple[str, ...]:
        """The names to ask on a device, the best first."""
        return self.preference.get(device.type, (REFERENCE,))


def choose(
    operation: Operation,
    case: Case,
    refusal: Callable[[ModuleType], str | None] = lambda backend: None,
    requested: str | None = None,
) -> ModuleType:
    """The back end to call.

    Args:
        operation: what is to be computed.
        case: what it is to be tried for.
        refusal: why a back end cannot serve the call at hand, or None.
        requested: the only one to take.

    Raises:
        BackendError: `requested` cannot serve, or none can; with the reason.
    """
    only = _only(operation, requested)
    reasons: dict[str, str] = {}
    for name in (only,) if only else operation.order(case.device):
        reason = why_not(operation, name, case) or refusal(load(operation, name))
        if reason is None:
            if requested is None:
                _tell(operation, case, name, reasons)
            return load(operation, name)
        reasons[name] = reason
    raise BackendError(f"{operation.name} on {case.device}: {_listed(reasons)}")


def why_not(operation: Operation, name: str, case: Case) -> str | None:
    """Why a back end cannot serve a case, or None; tried once, the answer kept until `forget`."""
    key = (operation.name, name, case)
    if key not in _verdicts:
        with _lock:
            if key not in _verdicts:
                _verdicts[key] = _tried(operation, name, case)
    return _verdicts[key]


def taken() -> list[Choice]:
    """Every back end that was taken so far, in the order in which they first were."""
    with _lock:
        return list(_taken.values())


def load(operation: Operation, name: str) -> ModuleType:
    """A back end's module; raises what its import raises."""
    return importlib.import_module(operation.backends[name])


def deviations(operation: Operation, backend: ModuleType, case: Case) -> list[Deviation]:
    """A back end's results for a case against the reference's, whatever mode torch is in."""
    with torch.no_grad(), torch.autocast(case.device.type, enabled=False):
        return operation.trial.deviations(backend, case)


def forget() -> None:
    """Forgets every verdict, so that each back end is tried again."""
    with _lock:
        _verdicts.clear()
        _taken.clear()


def described(error: BaseException) -> str:
    """An exception as a reason: its type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _only(operation: Operation, requested: str | None) -> str | None:
    """The one back end that may serve: the requested or the forced one; None where the choice is free."""
    if requested is not None and requested not in operation.backends:
        raise BackendError(
            f"{operation.name}: backend: found {requested!r}, wanted one of {', '.join(operation.backends)}"
        )
    if not force_fallback():
        return requested
    if requested not in (None, REFERENCE):
        raise BackendError(
            f"{operation.name}: {requested}: SEIZURE_MAMBA_FORCE_FALLBACK is set, which forces {REFERENCE}"
        )
    return REFERENCE


def why_not_here(operation: Operation, name: str, device: torch.device) -> str | None:
    """Why a back end does not even claim to work on a device, or None."""
    try:
        reason: str | None = load(operation, name).why_not(device)
    except ModuleNotFoundError as error:
        return f"not installed (no module {error.name})"
    except Exception as error:  # a broken package may raise anything when imported; all of it becomes the reason
        return f"fails to import: {described(error)}"
    return reason


def _tried(operation: Operation, name: str, case: Case) -> str | None:
    reason = why_not_here(operation, name, case.device)
    if reason is None:
        reason = operation.trial.refusal(load(operation, name), case)
    if reason is not None:
        return reason
    if case.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        raise BackendError(f"{operation.name}: {name} was never tried for {case}; run it once before capturing a graph")
    try:
        worst = max(deviations(operation, load(operation, name), case), key=lambda deviation: deviation.share)
    except Exception as error:  # whatever a kernel's compiler, loader or driver raises is the reason
        return described(error)
    return f"wrong numbers: {worst}" if worst.share > 1 else None


def _tell(operation: Operation, case: Case, name: str, reasons: Mapping[str, str]) -> None:
    """Logs the first time that a back end is taken on a device; the plain fallback as a warning."""
    key = (operation.name, str(case.device), name)
    with _lock:
        if key in _taken:
            return
        why = "SEIZURE_MAMBA_FORCE_FALLBACK is set" if force_fallback() else _listed(reasons)
        fallback = name == REFERENCE and name != operation.order(case.device)[0]
        choice = _taken[key] = Choice(*key, fallback, why)
    _log.log(logging.WARNING if fallback else logging.INFO, "%s", choice)


def _listed(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
