"""A read-through cache of whole shards on a local disk, so that the second epoch over an object store is local.

A chunk that is not in the cache is read by a range request, and its whole shard is fetched in the background. The
cache is bounded. Several processes may use it at once: each change is made under a lock. It deletes only shards that it
fetched itself.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from seizurekit.atomic import remove_leftovers, write_whole
from seizurekit.cache.build.writer import damages_of
from seizurekit.cache.layout import shard_name
from seizurekit.errors import CacheError, StorageError
from seizurekit.locks import LockedError, exclusive_lock
from seizurekit.storage.folder import Folder
from seizurekit.storage.local import LocalFolder

DEFAULT_GB = 100.0
_MARKER, _LOCK = "seizurekit-shards.json", ".lock"
_log = logging.getLogger(__name__)


class ShardCache:
    """Shards of one split of one store, in a folder that other splits and stores may share.

    A shard that this process uses is not deleted to make room: under random access that would only exchange one shard
    for another. When the cache is full of them, the rest is read by ranges. Shards of earlier runs go first, the one
    that was not used for longest before the others.

    Args:
        root: the folder; a new or an empty one, or one that was a shard cache before.
        source: the split's folder.
        identity: of the split's content; another store under the same URL gets another place.
        shape: channels and samples of a chunk.
        limit_bytes: of all shards in `root`.

    Raises:
        CacheError: the folder holds other things.
    """

    def __init__(
        self, root: str | PathLike[str], source: Folder, identity: str, shape: tuple[int, int], limit_bytes: int
    ) -> None:
        self._root, self._source, self._shape, self._limit = Path(root), source, shape, limit_bytes
        _claim(self._root)
        key = hashlib.sha256(f"{source.url}\n{identity}".encode()).hexdigest()[:20]
        self.folder = LocalFolder(self._root / key)
        self.folder.path.mkdir(exist_ok=True)
        self._opened = time.time()
        self._lock = threading.Lock()
        self._queue: deque[int] = deque()
        self._asked: set[int] = set()
        self._thread: threading.Thread | None = None
        self._warned = False

    def has_all(self, shards: Collection[int]) -> bool:
        """Whether all of these are there; those that are count as used now."""
        try:
            for shard in shards:
                _used_now(self.folder.path / str(shard))
        except OSError:
            return False
        return True

    def want(self, shards: Collection[int]) -> None:
        """Has shards fetched in the background, each once, in the order in which they were first wanted."""
        with self._lock:
            self._queue.extend(sorted(set(shards) - self._asked))
            self._asked.update(shards)
            if self._queue and self._thread is None:
                self._thread = threading.Thread(target=self._work, name="shard cache", daemon=True)
                self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until all that was wanted is there, or was given up; False if that takes longer than `timeout` s."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
            return not thread.is_alive()
        return True

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._thread = None
                    return
                shard = self._queue.popleft()
            try:
                self._fetch(shard)
            except (OSError, CacheError) as error:
                self._warn(f"{self._root}: shard cache: {error}; reading goes on without what it lacks")

    def _fetch(self, shard: int) -> None:
        path = self.folder.path / str(shard)
        size = self._source.size(shard_name(shard))
        if path.exists() or size is None:
            return
        if not self._has_room(size):
            self._warn(
                f"{self._root}: shard cache: found a limit of {self._limit / 1e9:g} GB, full, wanted room for another "
                f"shard of {size / 1e6:.0f} MB; reading goes on, by ranges for the rest"
            )
            return
        try:
            with exclusive_lock(path.with_name(f".{shard}.lock"), remove=True):
                if path.exists():
                    return  # another process fetched it just now
                content = self._source.read(shard_name(shard))
                damages = damages_of(content, f"{self._source.url}/{shard_name(shard)}", *self._shape)
                if damages:
                    raise CacheError(f"{damages[0]}; not kept")
                with _locked(self._root):
                    if self._make_room(len(content)):
                        write_whole(path, content)
                        _used_now(path)
        except LockedError:
            return  # another process fetches it

    def _has_room(self, size: int) -> bool:
        with _locked(self._root):
            return self._make_room(size)

    def _make_room(self, size: int) -> bool:
        """Deletes shards that are not in use until `size` more bytes fit; under the lock. Says whether they do."""
        if size > self._limit:
            return False
        kept = sorted(_shards(self._root), key=lambda entry: entry[1].st_mtime)
        held = sum(status.st_size for _, status in kept)
        idle = [(path, status) for path, status in kept if status.st_mtime < self._opened]
        if held - sum(status.st_size for _, status in idle) + size > self._limit:
            return False
        for path, status in idle:
            if held + size <= self._limit:
                break
            path.unlink(missing_ok=True)
            held -= status.st_size
        return True

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(message)


def _used_now(path: Path) -> None:
    now = time.time()  # the system's own stamp lags behind by milliseconds
    os.utime(path, (now, now))


def _claim(root: Path) -> None:
    """Makes the folder ours: one that holds other things is never touched."""
    if root.exists() and not root.is_dir():
        raise CacheError(f"{root}: found a file, wanted a folder for a cache of shards")
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root):
        marker = root / _MARKER
        if marker.exists():
            _remove_leftovers(root)
            return
        others = sorted(path.name for path in root.iterdir() if path.name != _LOCK)
        if others:
            (root / _LOCK).unlink(missing_ok=True)
            raise CacheError(
                f"{root}: found {', '.join(others[:3])} in it, wanted an empty folder for a cache of shards, or one "
                "that was such a cache before"
            )
        marker.write_text(json.dumps({"format": "seizurekit shard cache", "version": 1}) + "\n")


def _remove_leftovers(root: Path) -> None:
    """Removes what killed processes were writing: files are written under the lock alone, so no other process is."""
    remove_leftovers(root)
    for path in root.glob("*/.*.tmp"):  # as revisions up to 0b75b48 named them
        path.unlink(missing_ok=True)


def _shards(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in root.glob("*/*"):
        if path.name.isdigit():
            try:
                yield path, path.stat()
            except FileNotFoundError:
                continue


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Holds the lock under which shards are added and deleted."""
    try:
        with exclusive_lock(root / _LOCK, wait=True):
            yield
    except FileNotFoundError:
        raise StorageError(f"{root}: the cache's folder is gone") from None
