"""Runs seizurekit's commands as forks of one process that has imported it, so that a kill meets them at their work."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FORKING = """
import importlib, json, os, signal, sys, time
from seizurekit.cli.app import main
for name in sys.argv[1:]:
    importlib.import_module(name)

os.fsync = lambda handle: None  # it guards against a power cut; what a killed process wrote stays without it

def die_at(operation):
    passed = 0
    def count(event, arguments):
        nonlocal passed
        if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir"):
            passed += 1
            if passed == operation:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)

print("ready", flush=True)
for line in sys.stdin:
    arguments, kill, after, operation = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)
        sys.argv = ["seizurekit", *arguments]
        if operation:
            die_at(operation)
        main()
    if kill:
        time.sleep(after)
        os.kill(child, kill)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
Start = Callable[..., int]


@contextmanager
def forked_commands(folder: Path, *imported: str) -> Iterator[Start]:
    """Gives a function that runs a command in `folder` and returns its exit code, negative for a signal.

    `start(*arguments, kill=SIGTERM, after=0.5)` sends it a signal after so many seconds;
    `start(*arguments, operation=3)` kills it before it makes, renames or removes a file or folder for the third time;
    without either it must end with 0, or the failure tells what was printed.

    Args:
        folder: made anew; what the commands print goes to the file `said` in it.
        imported: modules that the commands need, imported once.
    """
    folder.mkdir()
    with (
        (folder / "said").open("w") as said,
        subprocess.Popen(
            [sys.executable, "-c", FORKING, *imported],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as forking,
    ):
        assert forking.stdin is not None
        assert forking.stdout is not None
        to, back = forking.stdin, forking.stdout
        assert back.readline() == "ready\n"

        def start(*arguments: object, kill: int = 0, after: float = 0.0, operation: int = 0) -> int:
            to.write(json.dumps(([str(argument) for argument in arguments], kill, after, operation)) + "\n")
            to.flush()
            code = int(back.readline())
            assert code == 0 or kill or operation, Path(said.name).read_text()
            return code

        yield start
        to.close()
