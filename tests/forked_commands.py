"""Runs seizurekit's commands as forks of a process that has imported it, so that a kill hits them at work."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FORKING = """
import contextlib, importlib, json, os, signal, sys, time, traceback
from seizurekit.cli.app import main
warm_up, *names = json.loads(sys.argv[1])
for name in names:
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

if warm_up:
    sys.argv = ["seizurekit", *warm_up]
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(SystemExit):
        main()

print("ready", flush=True)
for line in sys.stdin:
    arguments, kill, after, operation = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)
        sys.argv = ["seizurekit", *arguments]
        if operation:
            kill_before(operation)
        code = 1
        try:
            main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)  # at once: with torch imported, the interpreter takes a second to exit
    if kill:
        time.sleep(after)
        os.kill(child, kill)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
Start = Callable[..., int]


@contextmanager
def forked_commands(folder: Path, *imported: str, warm_up: Sequence[object] = ()) -> Iterator[Start]:
    """A function that runs a command in `folder` and returns its exit code, negative for a signal.

    `start(*arguments, kill=SIGTERM, after=0.5)` sends the signal after `after` seconds.
    `start(*arguments, operation=3)` kills the command before the third time that it creates, renames or removes a file
    or folder. Without either, the command must end with exit code 0; a failure shows what it printed.

    Args:
        folder: created; the file `output` in it receives what the commands print.
        imported: modules that the commands need, imported once.
        warm_up: a command to run before the first fork, for what is slow only once per process.
    """
    folder.mkdir()
    with (
        (folder / "output").open("w") as output,
        subprocess.Popen(
            [sys.executable, "-c", FORKING, json.dumps([[str(word) for word in warm_up], *imported])],
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
