from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import pytest
import torch

from seizurekit.errors import BackendError
from seizurekit.ops import dispatch
from seizurekit.ops.deviation import Deviation
from seizurekit.ops.dispatch import Operation, choose

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    device: torch.device = CPU
    flag: bool = False


def fake(name: str, why_not: str | None = None, answer: object = None) -> ModuleType:
    module = ModuleType(name)
    module.why_not = lambda device: why_not  # type: ignore[attr-defined]
    module.answer = answer  # type: ignore[attr-defined]
    return module


class Trial:
    """Wants 42; keeps what it was asked for."""

    def __init__(self) -> None:
        self.tried: list[Case] = []

    def cases(self, device: torch.device) -> list[Case]:
        return [Case(device)]

    def refusal(self, backend: ModuleType, case: Case) -> str | None:
        return None

    def deviations(self, backend: ModuleType, case: Case) -> list[Deviation]:
        self.tried.append(case)
        if isinstance(backend.answer, Exception):
            raise backend.answer
        return [Deviation("answer", abs(backend.answer - 42), 0.5)]


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    dispatch.forget()
    yield
    dispatch.forget()


@pytest.fixture
def operation(monkeypatch: pytest.MonkeyPatch) -> Operation:
    """Back ends that fail in every way, and at the end one that works."""
    modules = {
        "broken": None,
        "elsewhere": fake("elsewhere", why_not="runs on CUDA devices only", answer=42),
        "raising": fake("raising", answer=RuntimeError("CUDA error: no kernel image\nis available")),
        "wrong": fake("wrong", answer=41),
        "torch": fake("torch", answer=42),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"fake_{name}", module)
    names = {"absent": "there_is_no_such_module", **{name: f"fake_{name}" for name in modules}}
    return Operation("answer", names, {"cpu": tuple(names)}, Trial())


def test_every_back_end_that_fails_is_passed_over_and_one_line_says_why(
    operation: Operation, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        chosen = [choose(operation, Case()), choose(operation, Case()), choose(operation, Case(flag=True))]
    assert {module.__name__ for module in chosen} == {"torch"}
    (line,) = caplog.messages
    assert line == (
        "answer on cpu: torch (absent: not installed (no module there_is_no_such_module); "
        "broken: not installed (no module fake_broken); elsewhere: runs on CUDA devices only; "
        "raising: RuntimeError: CUDA error: no kernel image; "
        "wrong: wrong numbers: answer is off by 1, where 0.5 is tolerated)"
    )
    assert caplog.records[0].levelno == logging.WARNING


def test_the_first_that_works_is_taken_and_said_quietly(operation: Operation, caplog: pytest.LogCaptureFixture) -> None:
    quick = Operation("answer", operation.backends | {"quick": "fake_torch"}, {"cpu": ("quick", "torch")}, Trial())
    with caplog.at_level(logging.INFO):
        choose(quick, Case())
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.INFO, "answer on cpu: quick")
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent", "not installed"),
        ("broken", "not installed"),
        ("elsewhere", "runs on CUDA devices only"),
        ("raising", "RuntimeError: CUDA error: no kernel image"),
        ("wrong", "wrong numbers: answer is off by 1"),
    ],
)
def test_a_requested_back_end_that_fails_is_an_error_with_the_reason(
    operation: Operation, name: str, reason: str
) -> None:
    with pytest.raises(BackendError, match=f"answer on cpu: {name}: {reason}"):
        choose(operation, Case(), requested=name)


def test_where_none_works_the_error_names_the_reason_of_each(operation: Operation) -> None:
    nothing = Operation("answer", operation.backends, {"cpu": ("absent", "wrong")}, Trial())
    with pytest.raises(BackendError, match=r"absent: not installed .*; wrong: wrong numbers: answer is off by 1"):
        choose(nothing, Case())


def test_a_call_that_a_back_end_refuses_goes_to_the_next(operation: Operation) -> None:
    two = Operation("answer", {"quick": "fake_torch", "torch": "fake_torch"}, {"cpu": ("quick", "torch")}, Trial())
    asked: list[ModuleType] = []

    def refusal(backend: ModuleType) -> str | None:
        asked.append(backend)
        return "too long" if len(asked) == 1 else None

    assert choose(two, Case(), refusal).__name__ == "torch"
    assert len(asked) == 2


def test_a_back_end_is_tried_once_a_case_whatever_the_number_of_threads(operation: Operation) -> None:
    trial = Trial()
    once = Operation("answer", {"torch": "fake_torch"}, {}, trial)
    threads = [threading.Thread(target=lambda: choose(once, Case())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    choose(once, Case(flag=True))
    assert trial.tried == [Case(), Case(flag=True)]
