"""One at a time: a lock on a split's folder that names its holder, and that no killed holder leaves behind."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from seizurekit.cache.layout import BUILD_FOLDER, LOCK_FILE
from seizurekit.errors import CacheError, StorageError
from seizurekit.storage.folder import Folder
from seizurekit.storage.local import LocalFolder

RENEWED_S = 20.0
LAPSES_S = 120.0
"""A lock in an object store that was not renewed for so long is of a holder that is gone."""
_WATCHED_RENEWALS = 2.5
_SETTLES_RENEWALS = 0.1


@contextmanager
def only_one(folder: Folder, what: str) -> Iterator[None]:
    """Holds a split's folder.

    Of a local folder the lock is the kernel's, which takes it back when its holder ends, however it ends. In an object
    store it is an object that its holder renews, and that lapses when it is not renewed.

    Args:
        folder: the split's.
        what: is being done, for the message to others: "build".

    Raises:
        CacheError: another holds it; the message says who, where and since when.
    """
    held = _of_the_kernel(folder, what) if isinstance(folder, LocalFolder) else _of_the_store(folder, what)
    with held:
        yield


def _told(folder: Folder, what: str, holder: dict[str, Any], note: str = "") -> CacheError:
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder["since"])) if "since" in holder else "?"
    who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}, since {since}"
    command = f" ({holder['command']})" if holder.get("command") else ""
    running = f"another {holder.get('what', what)} of this store is running"
    return CacheError(f"{folder.url}: {running}: {who}{command}{note}")


def _self(what: str) -> dict[str, Any]:
    # Not its arguments: a script's may hold what is nobody's business.
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]]) if sys.argv and sys.argv[0] else ""
    return {
        "what": what,
        "pid": os.getpid(),
        "host": platform.node(),
        "since": time.time(),
        "command": command,
        "token": uuid.uuid4().hex,
    }


@contextmanager
def _of_the_kernel(folder: LocalFolder, what: str) -> Iterator[None]:
    path = folder.path / BUILD_FOLDER / LOCK_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise _told(folder, what, _parsed(file.read())) from None
        file.truncate(0)
        file.write(json.dumps(_self(what)))
        file.flush()
        yield


def _parsed(text: str) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict):
            return found
    return {}


@contextmanager
def _of_the_store(folder: Folder, what: str) -> Iterator[None]:
    name = f"{BUILD_FOLDER}/{LOCK_FILE}"
    own = _self(what)

    def content() -> bytes:
        return json.dumps(own | {"renewed": time.time()}).encode()

    if not folder.create(name, content()):
        _wait_for_the_lapse(folder, name, what)
        folder.write(name, content())
        # Another that saw it lapse may have written too: who wrote last holds it.
        time.sleep(_SETTLES_RENEWALS * RENEWED_S)
        holder = _holder(folder, name)
        if holder.get("token") != own["token"]:
            raise _told(folder, what, holder)
    stopped = threading.Event()
    renewal = threading.Thread(
        target=_renew, args=(folder, name, own["token"], content, stopped), name="lock", daemon=True
    )
    renewal.start()
    try:
        yield
    finally:
        stopped.set()
        renewal.join()
        with suppress(StorageError):
            if _holder(folder, name).get("token") == own["token"]:
                folder.remove(name)


def _holder(folder: Folder, name: str) -> dict[str, Any]:
    return _parsed(folder.read_present([name]).get(name, b"").decode(errors="replace"))


def _wait_for_the_lapse(folder: Folder, name: str, what: str) -> None:
    """Returns where a lock has lapsed by its own time, and, since clocks differ, is not renewed under our eyes."""
    holder = _holder(folder, name)
    age = time.time() - float(holder.get("renewed", 0))
    if age < LAPSES_S:
        raise _told(folder, what, holder, f"; if it is gone, its lock lapses in {LAPSES_S - age:.0f} s")
    ends = time.monotonic() + _WATCHED_RENEWALS * RENEWED_S
    while time.monotonic() < ends:
        time.sleep(RENEWED_S / 10)
        now = _holder(folder, name)
        if now and now != holder:
            raise _told(folder, what, now)


def _renew(folder: Folder, name: str, token: str, content: Callable[[], bytes], stopped: threading.Event) -> None:
    while not stopped.wait(RENEWED_S):
        with suppress(StorageError):  # the work itself says so if the store is gone
            if _holder(folder, name).get("token", token) != token:
                return  # taken over while this machine slept
            folder.write(name, content())
