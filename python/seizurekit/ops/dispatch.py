"""Selection of the back end that computes an operation.

Each operation has a table of back ends in order of preference. Before a back end is first used for a case (device,
dtypes, layout, flags), it computes a small example forward and backward, and the results are compared with the
reference in float64. A back end that fails to import, raises or computes wrong results is skipped. The first time a
back end is selected on a device, one log line names it, and the reason why each preferred one was skipped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import torch

from seizurekit.errors import BackendError
from seizurekit.ops.comparison import Comparison
from seizurekit.settings import force_fallback

REFERENCE = "torch"
"""The back end of every operation that runs on every device."""


class Backend(Protocol):
    """What the selection needs of a back-end module."""

    def unavailable_reason(self, device: torch.device) -> str | None:
        """Why the back end cannot run on a device, or None."""


class Case(Protocol):
    """What a back end is tried for."""

    @property
    def device(self) -> torch.device:
        """The device that the operation runs on."""

    def __hash__(self) -> int: ...


BackendT = TypeVar("BackendT", bound=Backend)
CaseT = TypeVar("CaseT", bound=Case)
TriedT = TypeVar("TriedT", bound=Backend, contravariant=True)


class Trial(Protocol[TriedT, CaseT]):
    """A module that tries the back ends of an operation."""

    def cases(self, device: torch.device) -> Iterable[CaseT]:
        """The cases that the self-test computes on a device."""

    def unsupported_reason(self, backend: TriedT, case: CaseT) -> str | None:
        """Why a back end cannot compute a case, or None."""

    def errors_vs_reference(self, backend: TriedT, case: CaseT) -> list[Comparison]:
        """Every result for an example of the case, forward and backward, compared with the reference in float64."""


@dataclass(frozen=True)
class BackendEntry(Generic[BackendT]):
    """A row of an operation's table.

    Attributes:
        name: what users pass as ``backend=``.
        needs: what must be installed; docs/kernels.md has the same text.
        devices: types of device on which it is selected without being requested; None for all.
        load: imports and returns the module.
    """

    name: str
    needs: str
    devices: tuple[str, ...] | None
    load: Callable[[], BackendT]


@dataclass(frozen=True)
class Operation(Generic[BackendT, CaseT]):
    """One operation.

    Attributes:
        name: its name in `seizurekit.ops`.
        backends: its back ends, the preferred ones first.
        trial: tries them.
    """

    name: str
    backends: tuple[BackendEntry[BackendT], ...]
    trial: Trial[BackendT, CaseT]

    @property
    def backend_names(self) -> tuple[str, ...]:
        """The names of all back ends."""
        return tuple(self._entries)

    def candidates(self, device: torch.device) -> tuple[str, ...]:
        """The names of the back ends to select from on a device, in order."""
        names = self._candidates.get(device.type)
        if names is None:
            chosen = (entry for entry in self.backends if entry.devices is None or device.type in entry.devices)
            names = self._candidates[device.type] = tuple(entry.name for entry in chosen)
        return names

    def load(self, name: str) -> BackendT:
        """The module of a back end; raises what its import raises."""
        return self._entries[name].load()

    @cached_property
    def _candidates(self) -> dict[str, tuple[str, ...]]:
        """Results of `candidates` by type of device; every call of the operation needs them."""
        return {}

    @cached_property
    def _entries(self) -> dict[str, BackendEntry[BackendT]]:
        return {entry.name: entry for entry in self.backends}


@dataclass(frozen=True)
class Selection:
    """A back end that was selected.

    Attributes:
        operation: name of the operation.
        device: the device.
        backend: name of the back end.
        fallback: whether it is plain torch although others exist for this device.
        reason: why the preferred ones were skipped; empty if none was.
    """

    operation: str
    device: str
    backend: str
    fallback: bool
    reason: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.device}: {self.backend}{f' ({self.reason})' if self.reason else ''}"


_log = logging.getLogger(__name__)
_lock = threading.RLock()
_reasons: dict[tuple[str, str, Case], str | None] = {}
_selections: dict[tuple[str, str, str], Selection] = {}


def select(
    operation: Operation[BackendT, CaseT],
    case: CaseT,
    unsupported_reason: Callable[[BackendT], str | None] = lambda backend: None,
    requested: str | None = None,
) -> BackendT:
    """The back end to call.

    Args:
        operation: the operation.
        case: what the back end must have been tried for.
        unsupported_reason: why a back end cannot compute this call, or None.
        requested: the only back end to consider.

    Raises:
        BackendError: the requested back end, or every one, cannot compute the call; has the reasons.
    """
    only = _only_candidate(operation, requested)
    reasons: dict[str, str] = {}
    for name in (only,) if only else operation.candidates(case.device):
        reason = unusable_reason(operation, name, case)
        if reason is None:
            backend = operation.load(name)
            reason = unsupported_reason(backend)
            if reason is None:
                if requested is None:
                    _record_selection(operation, case.device, name, reasons)
                return backend
        reasons[name] = reason
    raise BackendError(f"{operation.name} on {case.device}: {_join(reasons)}")


def unusable_reason(operation: Operation[BackendT, CaseT], name: str, case: CaseT) -> str | None:
    """Why a back end cannot be used for a case, or None; tried once, then cached until `reset_cache`."""
    key = (operation.name, name, case)
    if key not in _reasons:
        with _lock:
            if key not in _reasons:
                _reasons[key] = _try(operation, name, case)
    return _reasons[key]


def import_failure(operation: Operation[BackendT, CaseT], name: str, device: torch.device) -> str | None:
    """Why a back end cannot be imported or cannot run on a device, or None."""
    try:
        return operation.load(name).unavailable_reason(device)
    except ModuleNotFoundError as error:
        return f"not installed (no module {error.name})"
    except Exception as error:  # importing a damaged package may raise anything
        return f"fails to import: {describe(error)}"


def errors_vs_reference(operation: Operation[BackendT, CaseT], name: str, case: CaseT) -> list[Comparison]:
    """The results of a back end for a case compared with the reference, whatever mode torch is in."""
    with torch.no_grad(), torch.autocast(case.device.type, enabled=False):
        return operation.trial.errors_vs_reference(operation.load(name), case)


def selected() -> list[Selection]:
    """Every back end selected so far, in order of first use."""
    with _lock:
        return list(_selections.values())


def reset_cache() -> None:
    """Discards the results of all trials, so that every back end is tried again."""
    with _lock:
        _reasons.clear()
        _selections.clear()


def describe(error: BaseException) -> str:
    """An exception in one line: its type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _only_candidate(operation: Operation[Any, Any], requested: str | None) -> str | None:
    """The back end that is requested or forced; None if any may be selected."""
    names = operation.backend_names
    if requested is not None and requested not in names:
        raise BackendError(f"{operation.name}: backend is {requested!r}, expected one of {', '.join(names)}")
    if not force_fallback():
        return requested
    if requested not in (None, REFERENCE):
        raise BackendError(
            f"{operation.name}: {requested}: SEIZURE_MAMBA_FORCE_FALLBACK is set, which forces {REFERENCE}"
        )
    return REFERENCE


def _try(operation: Operation[BackendT, CaseT], name: str, case: CaseT) -> str | None:
    reason = import_failure(operation, name, case.device)
    if reason is None:
        reason = operation.trial.unsupported_reason(operation.load(name), case)
    if reason is not None:
        return reason
    if case.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        raise BackendError(
            f"{operation.name}: {name} has not been tried for {case}; run the operation once before capturing a CUDA "
            "graph"
        )
    try:
        worst = max(errors_vs_reference(operation, name, case), key=lambda result: result.ratio)
    except Exception as error:  # compilers, loaders and drivers of kernels may raise anything
        return describe(error)
    return f"wrong results: {worst}" if worst.ratio > 1 else None


def _record_selection(
    operation: Operation[Any, Any], device: torch.device, name: str, reasons: Mapping[str, str]
) -> None:
    """Logs the first selection of a back end on a device; a fallback to plain torch as a warning."""
    key = (operation.name, str(device), name)
    with _lock:
        if key in _selections:
            return
        reason = "SEIZURE_MAMBA_FORCE_FALLBACK is set" if force_fallback() else _join(reasons)
        fallback = name == REFERENCE and name != operation.candidates(device)[0]
        selection = _selections[key] = Selection(*key, fallback, reason)
    _log.log(logging.WARNING if fallback else logging.INFO, "%s", selection)


def _join(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
