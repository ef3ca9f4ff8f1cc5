"""Runs seizurekit's commands as forks of a process that has imported it, so that a kill hits them at work."""

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

os.fsync = lambda handle: None  # needed after a power cut only; what a killed process wrote persists

def kill_before(operation):
    done = 0
    def count(event, arguments):
        nonlocal done
        if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir"):
            done += 1
            if done == operation:
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
            kill_before(operation)
        main()
    if kill:
        time.sleep(after)
        os.kill(child, kill)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
Start = Callable[..., int]


@contextmanager
def forked_commands(folder: Path, *imported: str) -> Iterator[Start]:
    """A function that runs a command in `folder` and returns its exit code, negative for a signal.

    `start(*arguments, kill=SIGTERM, after=0.5)` sends the signal after so many seconds.
    `start(*arguments, operation=3)` kills the command before the third time that it creates, renames or removes a file
    or folder. Without either, the command must end with exit code 0; a failure shows what it printed.

    Args:
        folder: created; the file `output` in it receives what the commands print.
        imported: modules that the commands need, imported once.
    """
    folder.mkdir()
    with (
        (folder / "output").open("w") as output,
        subprocess.Popen(
            [sys.executable, "-c", FORKING, *imported],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        ) as parent,
    ):
        assert parent.stdin is not None
        assert parent.stdout is not None
        requests, replies = parent.stdin, parent.stdout
        assert replies.readline() == "ready\n"

        def start(*arguments: object, kill: int = 0, after: float = 0.0, operation: int = 0) -> int:
            requests.write(json.dumps(([str(argument) for argument in arguments], kill, after, operation)) + "\n")
            requests.flush()
            code = int(replies.readline())
            assert code == 0 or kill or operation, Path(output.name).read_text()
            return code

        yield start
        requests.close()
