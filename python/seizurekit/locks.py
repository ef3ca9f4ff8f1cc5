"""Locks between processes of one machine. The kernel releases a lock when its holder ends, even if it is killed.

We do not use the package filelock (we checked 3.18 and 4.3). Its kernel locks do not name their holder. Releases before
4 truncate the lock file even if they do not get the lock. Waiting polls. On a file system without flock it falls back
to a marker file, which stays if its holder is killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from uuid import uuid4

from seizurekit.json_files import parse_object


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock.

    Attributes:
        what: the work it does, e.g. "build".
        pid: process id; None if the lock does not say.
        host: name of its machine.
        since: when it took the lock, seconds since 1970.
        command: program and subcommand.
        token: unique for each holder.
    """

    what: str = ""
    pid: int | None = None
    host: str = "?"
    since: float | None = None
    command: str = ""
    token: str = ""

    def __str__(self) -> str:
        since = "?" if self.since is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since))
        command = f" ({self.command})" if self.command else ""
        return f"process {'?' if self.pid is None else self.pid} on {self.host}, since {since}{command}"

    def to_dict(self) -> dict[str, Any]:
        """The holder as JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Holder:
        """The holder that `to_dict` describes; missing values are unknown, other keys are ignored."""
        return cls(**{each.name: values[each.name] for each in fields(cls) if each.name in values})


def this_process(what: str) -> Holder:
    """This process as a holder."""
    # Without the arguments of the command, which may contain secrets.
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]]) if sys.argv and sys.argv[0] else ""
    return Holder(what, os.getpid(), platform.node(), time.time(), command, uuid4().hex)


class LockedError(Exception):
    """Another process holds the lock: `holder`."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(str(holder))
        self.holder = holder


@contextmanager
def exclusive_lock(path: Path, what: str = "", *, wait: bool = False, remove: bool = False) -> Iterator[None]:
    """Holds the lock of a lock file, which names the holder.

    Args:
        path: the lock file, created with its folder if missing.
        what: the work done under the lock.
        wait: wait for another holder to end.
        remove: remove the lock file at the end.

    Raises:
        LockedError: another process holds the lock, and `wait` is False.
        OSError: the file cannot be opened or locked.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", errors="replace") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise LockedError(Holder.from_dict(parse_object(file.read()))) from None
            if not _is_same_file(path, file.fileno()):
                continue  # its holder removed it after we opened it
            file.truncate(0)
            file.write(json.dumps(this_process(what).to_dict()))
            file.flush()
            try:
                yield
            finally:
                if remove:
                    path.unlink(missing_ok=True)
            return


def _is_same_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
