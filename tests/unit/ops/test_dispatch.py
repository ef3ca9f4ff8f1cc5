from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from seizurekit.errors import BackendError
from seizurekit.ops import OPERATIONS, dispatch
from seizurekit.ops.comparison import Comparison
from seizurekit.ops.dispatch import BackendEntry, Operation, select

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Case:
    device: torch.device = CPU
    flag: bool = False


@dataclass(frozen=True)
class Fake:
    """A back end that computes `answer` or raises it."""

    answer: int | Exception = 42
    unavailable: str | None = None

    def unavailable_reason(self, device: torch.device) -> str | None:
        return self.unavailable


class Trial:
    """Expects the answer 42; records the cases that were tried."""

    def __init__(self) -> None:
        self.tried: list[Case] = []

    def cases(self, device: torch.device) -> list[Case]:
        return [Case(device)]

    def unsupported_reason(self, backend: Fake, case: Case) -> str | None:
        return None

    def errors_vs_reference(self, backend: Fake, case: Case) -> list[Comparison]:
        self.tried.append(case)
        if isinstance(backend.answer, Exception):
            raise backend.answer
        return [Comparison("answer", abs(backend.answer - 42), 0.5)]


def operation_of(**load: Callable[[], Fake]) -> Operation[Fake, Case]:
    return Operation("answer", tuple(BackendEntry(name, "", ("cpu",), load[name]) for name in load), Trial())


FAILING: dict[str, Callable[[], Any]] = {
    "missing": partial(importlib.import_module, "there_is_no_such_module"),
    "broken": partial(importlib.import_module, "fake_broken"),
    "elsewhere": lambda: Fake(unavailable="runs on CUDA devices only"),
    "raising": lambda: Fake(RuntimeError("CUDA error: no kernel image\nis available")),
    "wrong": lambda: Fake(41),
}
"""Back ends that fail in every way."""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "fake_broken", None)
    dispatch.reset_cache()
    yield
    dispatch.reset_cache()


def test_every_back_end_that_fails_is_skipped_and_one_line_has_the_reasons(caplog: pytest.LogCaptureFixture) -> None:
    operation = operation_of(**FAILING, torch=lambda: Fake(42))
    with caplog.at_level(logging.INFO):
        chosen = [select(operation, Case()), select(operation, Case()), select(operation, Case(flag=True))]
    assert chosen == [Fake(42)] * 3
    (line,) = caplog.messages
    assert line == (
        "answer on cpu: torch (missing: not installed (no module there_is_no_such_module); "
        "broken: not installed (no module fake_broken); elsewhere: runs on CUDA devices only; "
        "raising: RuntimeError: CUDA error: no kernel image; "
        "wrong: wrong results: answer: error is 1, expected at most 0.5)"
    )
    assert caplog.records[0].levelno == logging.WARNING


def test_the_first_back_end_that_works_is_selected_and_logged_as_information(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        select(operation_of(quick=Fake, torch=Fake), Case())
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.INFO, "answer on cpu: quick")
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "not installed"),
        ("broken", "not installed"),
        ("elsewhere", "runs on CUDA devices only"),
        ("raising", "RuntimeError: CUDA error: no kernel image"),
        ("wrong", "wrong results: answer: error is 1"),
    ],
)
def test_a_requested_back_end_that_fails_is_an_error_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(BackendError, match=f"answer on cpu: {name}: {reason}"):
        select(operation_of(**FAILING), Case(), requested=name)


def test_if_all_fail_the_error_has_the_reason_of_each() -> None:
    with pytest.raises(BackendError, match=r"missing: not installed .*; wrong: wrong results: answer: error is 1"):
        select(operation_of(**FAILING), Case())


def test_a_call_that_a_back_end_does_not_support_goes_to_the_next() -> None:
    quick, slow = Fake(42), Fake(42)
    operation = operation_of(quick=lambda: quick, torch=lambda: slow)
    assert select(operation, Case(), lambda backend: "too long" if backend is quick else None) is slow


def test_on_other_devices_only_the_reference_is_selected() -> None:
    other = Case(torch.device("meta"))
    operation = operation_of(quick=Fake)
    reference = BackendEntry("torch", "", None, Fake)
    assert Operation("answer", (*operation.backends, reference), Trial()).candidates(other.device) == ("torch",)


def test_the_documentation_lists_the_back_ends_in_their_order() -> None:
    table = (ROOT / "docs" / "kernels.md").read_text().partition("\n\n## Selection")[0]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    backends = [(entry.name, entry.needs) for operation in OPERATIONS for entry in operation.backends]
    assert [(row[1], row[3]) for row in rows[2:]] == backends


def test_a_back_end_is_tried_once_per_case_with_any_number_of_threads() -> None:
    trial = Trial()
    once = Operation("answer", (BackendEntry("torch", "", None, Fake),), trial)
    threads = [threading.Thread(target=lambda: select(once, Case())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    select(once, Case(flag=True))
    assert trial.tried == [Case(), Case(flag=True)]
