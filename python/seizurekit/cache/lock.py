"""The lock of a split: one build or copy at a time. It names its holder, and is free if the holder was killed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from seizurekit.cache.layout import BUILD_FOLDER, COPY_FILE, LOCK_FILE, PLAN_FILE
from seizurekit.errors import CacheError, StorageError
from seizurekit.json_files import parse_object
from seizurekit.locks import Holder, LockedError, exclusive_lock, this_process
from seizurekit.storage.folder import Folder
from seizurekit.storage.local import LocalFolder

LEASE_RENEWAL_S = 20.0
"""Seconds between two renewals of a lease."""
LEASE_TIMEOUT_S = 120.0
"""Seconds after the last renewal at which a lease expires: its holder no longer runs."""
_WATCHED_RENEWALS = 2.5
_SETTLING_RENEWALS = 0.1
_NAME = f"{BUILD_FOLDER}/{LOCK_FILE}"


@contextmanager
def lock_split(folder: Folder, what: str) -> Iterator[None]:
    """Locks a split for one writer.

    In a local folder the kernel releases the lock when its holder ends, even if it is killed. In an object store it is
    a lease: an object that its holder renews, and that expires if it is not renewed.

    Args:
        folder: the split's folder.
        what: the work done, "build" or "copy", for the message to other processes.

    Raises:
        CacheError: another process holds the lock; names it.
    """
    with ExitStack() as stack:
        if isinstance(folder, LocalFolder):
            try:
                stack.enter_context(exclusive_lock(folder.path / _NAME, what))
            except LockedError as error:
                raise _locked_error(folder, what, error.holder) from None
        else:
            stack.enter_context(_lease(folder, what))
        yield


def remove_build_folder(folder: Folder) -> None:
    """Removes the files that a build or copy needs until it is finished. Call it under the lock."""
    build = folder.at(BUILD_FOLDER)
    # The files that mark it as unfinished go last: if this is interrupted, the same command removes the rest.
    for name in sorted(build.files(), key=lambda name: name in (PLAN_FILE, COPY_FILE)):
        if folder.is_local or name != LOCK_FILE:  # in an object store the holder still renews it
            build.remove(name)
    if isinstance(folder, LocalFolder):
        with suppress(OSError):  # another build may have created its lock there
            (folder.path / BUILD_FOLDER).rmdir()


def _locked_error(folder: Folder, what: str, holder: Holder, note: str = "") -> CacheError:
    return CacheError(f"{folder.url}: another {holder.what or what} of this store is running: {holder}{note}")


@contextmanager
def _lease(folder: Folder, what: str) -> Iterator[None]:
    own = this_process(what)

    def lease_content() -> bytes:
        return json.dumps(own.to_dict() | {"renewed": time.time()}).encode()

    if not folder.create(_NAME, lease_content()):
        _wait_for_expiry(folder, what)
        folder.write(_NAME, lease_content())
        # Another process that saw the lease expire may have written too: the last one to write holds it.
        time.sleep(_SETTLING_RENEWALS * LEASE_RENEWAL_S)
        holder, _ = _read_lease(folder)
        if holder.token != own.token:
            raise _locked_error(folder, what, holder)
    stopped = threading.Event()
    renewal = threading.Thread(target=_renew, args=(folder, own, lease_content, stopped), name="lock", daemon=True)
    renewal.start()
    try:
        yield
    finally:
        stopped.set()
        renewal.join()
        with suppress(StorageError):
            if _read_lease(folder)[0].token == own.token:
                folder.remove(_NAME)


def _read_lease(folder: Folder) -> tuple[Holder, float]:
    """Who holds the lease, and when it was renewed by the holder's clock; an unknown holder at 0 if nobody does."""
    values = parse_object(folder.read_present([_NAME]).get(_NAME, b"").decode(errors="replace"))
    return Holder.from_dict(values), float(values.get("renewed", 0))


def _wait_for_expiry(folder: Folder, what: str) -> None:
    """Returns if the lease has expired by its own clock. Clocks differ, so it must not be renewed while we watch."""
    lease = _read_lease(folder)
    holder, renewed = lease
    age = time.time() - renewed
    if age < LEASE_TIMEOUT_S:
        raise _locked_error(folder, what, holder, f"; if it is gone, its lock expires in {LEASE_TIMEOUT_S - age:.0f} s")
    end = time.monotonic() + _WATCHED_RENEWALS * LEASE_RENEWAL_S
    while time.monotonic() < end:
        time.sleep(LEASE_RENEWAL_S / 10)
        now = _read_lease(folder)
        if now not in (lease, (Holder(), 0.0)):
            raise _locked_error(folder, what, now[0])


def _renew(folder: Folder, own: Holder, lease_content: Callable[[], bytes], stopped: threading.Event) -> None:
    while not stopped.wait(LEASE_RENEWAL_S):
        with suppress(StorageError):  # the work itself fails if the store is gone
            if _read_lease(folder)[0].token not in ("", own.token):
                return  # taken over while this machine slept
            folder.write(_NAME, lease_content())
