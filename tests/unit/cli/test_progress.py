"""A build or a copy is never silent for long."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from seizurekit.cache.build.build import Progress
from seizurekit.cli import progress
from seizurekit.heartbeat import Heartbeat


def building(show: Callable[..., None]) -> None:
    show(Progress("train", 12, 4664, 1.5, 910.0))


def copying(show: Callable[..., None]) -> None:
    show("train", 3, 9)


@pytest.mark.parametrize("on_terminal", [False, True])
@pytest.mark.parametrize(
    ("shown", "tell", "line"),
    [
        (progress.hours_shown, building, "train: 12/4664 recordings"),
        (progress.shards_shown, copying, "train: 3/9 shards"),
    ],
)
def test_silence_is_broken_by_what_was_done_last(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shown: Callable[[], AbstractContextManager[Callable[..., None]]],
    tell: Callable[[Callable[..., None]], None],
    line: str,
    on_terminal: bool,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal)
    spoke = threading.Event()

    def short(say: Callable[[str], None]) -> Heartbeat:
        def spoken(text: str) -> None:
            say(text)
            if line in text:
                spoke.set()

        return Heartbeat(spoken, minutes=0.01 / 60)

    monkeypatch.setattr(progress, "Heartbeat", short)
    with shown() as show:
        tell(show)
        assert spoke.wait(10)
    assert f"still at it: {line} (0 s ago)" in capsys.readouterr().err
