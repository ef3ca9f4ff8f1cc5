"""Progress of a build or a copy: the heartbeat, and the plain lines."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from seizurekit.cache.build.build_cache import BuildProgress
from seizurekit.cli import progress_display
from seizurekit.heartbeat import Heartbeat

Display = Callable[[], AbstractContextManager[Callable[..., None]]]

BUILD = (
    progress_display.show_build_progress,
    (BuildProgress("train", 12, 4664, 1.5, 910.0),),
    "train: 12/4664 recordings",
)
COPY = (progress_display.show_copy_progress, ("train", 3, 9), "train: 3/9 shards")


@pytest.mark.parametrize("on_terminal", [False, True])
@pytest.mark.parametrize(("display", "progress", "line"), [BUILD, COPY])
def test_the_heartbeat_repeats_the_latest_progress(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    display: Display,
    progress: tuple[object, ...],
    line: str,
    on_terminal: bool,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal)
    printed = threading.Event()

    def fast_heartbeat(print_line: Callable[[str], None]) -> Heartbeat:
        def record(text: str) -> None:
            print_line(text)
            if line in text:
                printed.set()

        return Heartbeat(record, minutes=0.01 / 60)

    monkeypatch.setattr(progress_display, "Heartbeat", fast_heartbeat)
    with display() as show:
        show(*progress)
        assert printed.wait(10)
    assert re.search(rf": {line} \(.*0 s ago\)", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("display", "progress", "line"),
    [
        (*BUILD[:2], "train: 12/4664 recordings, 1.50/910.00 h, time left unknown\n"),
        (*COPY[:2], "train: 3/9 shards\n"),
    ],
)
def test_plain_lines_are_printed_when_they_are_due(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    display: Display,
    progress: tuple[object, ...],
    line: str,
) -> None:
    monkeypatch.setattr(progress_display, "_SECONDS_PER_LINE", 0.0)
    with display() as show:
        show(*progress)
    assert capsys.readouterr().err == line
