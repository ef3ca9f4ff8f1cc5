"""A cache of whole shards on a local disk, so that the second epoch over an object store reads from the disk.

A chunk whose shard is not cached is read by a range request, and the shard is fetched in the background. The cache has
a size limit. Several processes may use it at once: each change is made under a lock. It deletes only shards that it
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

from seizurekit.atomic import remove_leftovers, write_atomic
from seizurekit.cache.layout import shard_name
from seizurekit.cache.shard_file import find_shard_damage
from seizurekit.errors import CacheError, StorageError
from seizurekit.locks import LockedError, exclusive_lock
from seizurekit.storage.folder import Folder
from seizurekit.storage.local import LocalFolder

DEFAULT_GB = 100.0
_MARKER, _LOCK = "seizurekit-shards.json", ".lock"
_log = logging.getLogger(__name__)


class ShardCache:
    """Cached shards of one split, in a folder that other splits and stores may share.

    Shards that were used since this object was made are not deleted to make room: with random access that would only
    exchange one shard for another. If they fill the cache, other shards are read by range requests. Shards of earlier
    runs are deleted first, in order of their last use.

    Args:
        root: the cache's folder: a new one, an empty one, or an earlier shard cache.
        source: the split's folder in the object store.
        identity: identifies the split's content, so that another store at the same URL is cached separately.
        shape: channels and samples of a chunk.
        limit_bytes: size limit of all shards in `root`.

    Attributes:
        folder: the folder of this split's shards.

    Raises:
        CacheError: the folder contains other files.
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
        self._requested: set[int] = set()
        self._thread: threading.Thread | None = None
        self._has_warned = False

    def has_all(self, shards: Collection[int]) -> bool:
        """Whether all of these shards are cached; marks them as used now."""
        try:
            for shard in shards:
                _mark_used(self.folder.path / str(shard))
        except OSError:
            return False
        return True

    def request(self, shards: Collection[int]) -> None:
        """Fetches shards in the background: each once, in the order of the requests."""
        with self._lock:
            self._queue.extend(sorted(set(shards) - self._requested))
            self._requested.update(shards)
            if self._queue and self._thread is None:
                self._thread = threading.Thread(target=self._work, name="shard cache", daemon=True)
                self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until every requested shard is cached or abandoned; False after `timeout` seconds."""
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
                self._warn(f"{self._root}: shard cache: {error}; reading the shard by range requests")

    def _fetch(self, shard: int) -> None:
        path = self.folder.path / str(shard)
        size = self._source.size(shard_name(shard))
        if path.exists() or size is None:
            return
        if not self._has_room(size):
            self._warn(
                f"{self._root}: shard cache: no room for another shard of {size / 1e6:.0f} MB (the limit is "
                f"{self._limit / 1e9:g} GB); reading the other shards by range requests"
            )
            return
        try:
            with exclusive_lock(path.with_name(f".{shard}.lock"), remove=True):
                if not path.exists():
                    self._add(path, self._read(shard))
        except LockedError:
            return  # another process is fetching it

    def _read(self, shard: int) -> bytes:
        name = shard_name(shard)
        content = self._source.read(name)
        damage = find_shard_damage(content, f"{self._source.url}/{name}", *self._shape)
        if damage:
            raise CacheError(f"{damage[0]}; the shard is not cached")
        return content

    def _add(self, path: Path, content: bytes) -> None:
        with _hold_lock(self._root):
            if self._make_room(len(content)):
                write_atomic(path, content)
                _mark_used(path)

    def _has_room(self, size: int) -> bool:
        with _hold_lock(self._root):
            return self._make_room(size)

    def _make_room(self, size: int) -> bool:
        """Deletes unused shards until `size` more bytes fit, and returns whether they do. Call it under the lock."""
        if size > self._limit:
            return False
        shards = sorted(_shards(self._root), key=lambda entry: entry[1].st_mtime)
        total = sum(status.st_size for _, status in shards)
        unused = [(path, status) for path, status in shards if status.st_mtime < self._opened]
        if total - sum(status.st_size for _, status in unused) + size > self._limit:
            return False
        for path, status in unused:
            if total + size <= self._limit:
                break
            path.unlink(missing_ok=True)
            total -= status.st_size
        return True

    def _warn(self, message: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            _log.warning(message)


def _mark_used(path: Path) -> None:
    now = time.time()  # the system's own time stamp is some milliseconds late
    os.utime(path, (now, now))


def _claim(root: Path) -> None:
    """Makes a folder a shard cache; one that contains other files is not touched."""
    if root.exists() and not root.is_dir():
        raise CacheError(f"{root}: is a file, expected a folder for the shard cache")
    root.mkdir(parents=True, exist_ok=True)
    with _hold_lock(root):
        marker = root / _MARKER
        if marker.exists():
            _remove_leftovers(root)
            return
        others = sorted(path.name for path in root.iterdir() if path.name != _LOCK)
        if others:
            (root / _LOCK).unlink(missing_ok=True)
            raise CacheError(
                f"{root}: contains {', '.join(others[:3])}, expected an empty folder or an earlier shard cache"
            )
        marker.write_text(json.dumps({"format": "seizurekit shard cache", "version": 1}) + "\n")


def _remove_leftovers(root: Path) -> None:
    """Removes files that killed processes were writing. Call it under the lock, which each writer holds."""
    remove_leftovers(root)
    for path in root.glob("*/.*.tmp"):  # temporary names before 0.1.0
        path.unlink(missing_ok=True)


def _shards(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in root.glob("*/*"):
        if path.name.isdigit():
            try:
                yield path, path.stat()
            except FileNotFoundError:
                continue


@contextmanager
def _hold_lock(root: Path) -> Iterator[None]:
    """Holds the lock under which shards are added and deleted."""
    if not root.is_dir():
        raise StorageError(f"{root}: the folder of the shard cache was removed")
    with exclusive_lock(root / _LOCK, wait=True):
        yield
