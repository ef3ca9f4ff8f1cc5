"""Locks between processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seizurekit.locks import Holder, LockedError, exclusive_lock, this_process

HOLD = """
import sys, time
from pathlib import Path
from seizurekit.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), "build"):
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def locked_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the lock until its standard input is closed."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process


def test_another_holder_is_named_and_a_killed_one_holds_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked_elsewhere(path) as process:
        for _ in range(2):  # an attempt does not disturb the lock file
            with pytest.raises(LockedError, match=rf"process {process.pid} on .*, since 20.* UTC") as locked:
                exclusive_lock(path).__enter__()
        assert (locked.value.holder.what, locked.value.holder.pid) == ("build", process.pid)
        process.kill()
        process.wait()
        with exclusive_lock(path, "copy"):
            assert json.loads(path.read_text())["pid"] == os.getpid()
    assert path.exists()


def test_waiting_ends_when_the_holder_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    acquired = threading.Event()

    def wait() -> None:
        with exclusive_lock(path, wait=True):
            acquired.set()

    with locked_elsewhere(path) as process:
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not acquired.wait(0.1)
        assert process.stdin is not None
        process.stdin.close()
        waiting.join(60)
    assert acquired.is_set()


def test_a_waiting_process_creates_the_lock_file_that_its_holder_removes(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    opened = threading.Event()
    inside: list[bool] = []

    def wait() -> None:
        opened.set()
        with exclusive_lock(path, wait=True):
            inside.append(path.exists())

    with exclusive_lock(path, remove=True):
        waiting = threading.Thread(target=wait)
        waiting.start()
        opened.wait()
        assert not inside
    waiting.join(60)
    assert inside == [True]


def test_a_lock_file_can_be_removed_at_the_end(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / "lock", remove=True):
        pass
    assert not list(tmp_path.iterdir())


def test_a_holder_is_restored_from_json_and_missing_values_are_unknown() -> None:
    holder = this_process("copy")
    assert Holder.from_dict(json.loads(json.dumps(holder.to_dict())) | {"another": 1}) == holder
    assert str(Holder.from_dict({})) == "process ? on ?, since ?"


def test_arguments_of_the_command_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/seizurekit", "sync-cache", "s3://key:secret@bucket"])
    assert str(this_process("copy")).endswith(" (seizurekit sync-cache)")


@pytest.mark.parametrize("text", ["", "{", "[1]", "4711"])
def test_a_lock_file_without_a_holder_still_locks(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lock"
    with exclusive_lock(path):
        path.write_text(text)
        with pytest.raises(LockedError, match="process \\? on \\?"):
            exclusive_lock(path).__enter__()
