"""Copying a store between folders and object stores: in parallel, resumable, with each shard verified."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from os import PathLike

from seizurekit.atomic import is_leftover
from seizurekit.cache.copy.nesting import is_inside
from seizurekit.cache.copy.split_files import can_list, file_sizes, split_files
from seizurekit.cache.layout import (
    BUILD_FOLDER,
    COPY_FILE,
    GROUP_FILE,
    INDEX_BYTES,
    MANIFEST_FILE,
    PLAN_FILE,
    SHARDS,
    SIGNAL,
    shard_name,
)
from seizurekit.cache.lock import lock_split, remove_build_folder
from seizurekit.cache.shard_file import find_shard_damage
from seizurekit.cache.store import Cache, open_split, splits_in
from seizurekit.errors import CacheError
from seizurekit.recordings.corpus import SPLITS
from seizurekit.settings import force_cache_copy
from seizurekit.storage.folder import Folder, Options, Span
from seizurekit.storage.open import open_folder

OnShard = Callable[[str, int, int], None]
"""Called after each shard with the split, the number of shards done, and the number of all shards."""


@dataclass(frozen=True)
class SplitCopy:
    """The result of copying one split.

    Attributes:
        split: the split's name.
        shards: number of its shards.
        copied: number of shards that this run copied.
        bytes: size of the split's files.
        was_complete: the copy was already complete, and nothing was done.
    """

    split: str
    shards: int
    copied: int
    bytes: int
    was_complete: bool


def sync_cache(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    split: str | None = None,
    force: bool = False,
    workers: int = 8,
    source_options: Options | None = None,
    destination_options: Options | None = None,
    on_shard: OnShard | None = None,
) -> tuple[SplitCopy, ...]:
    """Copies a store, or resumes an interrupted copy; does nothing if the copy is complete.

    Args:
        source: path or URL of a store; it is only read.
        destination: path or URL of the copy.
        split: the split to copy; default: all.
        force: replace a store at the destination and copy every shard again, as `BGB_FORCE_CACHE_COPY` does. Files
            that are not part of a store stay.
        workers: number of shards copied at once, each in memory.
        source_options: options of an object store, see `open_cache`.
        destination_options: options of an object store.
        on_shard: called after each shard, from one thread at a time.

    Raises:
        CacheError: no store at the source; a damaged shard, of which nothing is written; another store at the
            destination, or another copy is writing there.
        StorageError, OSError: a store cannot be read or written; the same call resumes the copy.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}, expected at least 1")
    source_root, target_root = open_folder(source, source_options), open_folder(destination, destination_options)
    _check_separate(source_root, target_root)
    names = (split,) if split else _finished_splits(source_root)
    if not names:
        raise CacheError(f"{source_root.url}: no finished store")
    replace = force or force_cache_copy()
    copies = (_Copy(open_split(source_root, name), target_root.at(name), replace, on_shard) for name in names)
    return tuple(copy.run(workers) for copy in copies)


def _check_separate(source: Folder, destination: Folder) -> None:
    if is_inside(destination, source) or is_inside(source, destination):
        raise CacheError(f"{destination.url}: is, contains or is inside the source {source.url}: use another folder")


def _finished_splits(root: Folder) -> tuple[str, ...]:
    if can_list(root):
        return splits_in(root)
    return tuple(name for name in SPLITS if root.size(f"{name}/{GROUP_FILE}") is not None)


class _Copy:
    """The copy of one split."""

    def __init__(self, cache: Cache, target: Folder, replace: bool, on_shard: OnShard | None) -> None:
        self._cache, self._source, self._target = cache, cache.folder, target
        self._replace, self._on_shard = replace, on_shard
        self._group = self._source.read(GROUP_FILE)
        for below in ("", SIGNAL, SHARDS):  # a link in the destination may lead into the source
            _check_separate(self._source, self._target.at(below) if below else self._target)
        names = split_files(f"{self._source.url}/{GROUP_FILE}", self._group)
        self._sizes = file_sizes(self._source, names)
        missing = [shard for shard in cache.shards if shard_name(shard) not in self._sizes]
        if missing:
            raise CacheError(f"{self._source.url}/{shard_name(missing[0])}: missing shard")
        self._lock = threading.Lock()
        self._done = self._copied = 0

    def run(self, workers: int) -> SplitCopy:
        """Copies the files that the destination does not have yet."""
        if not self._replace and self._is_complete():
            return self._report(was_complete=True)
        with lock_split(self._target, "copy"):
            existing = self._start_or_resume()
            self._copy_shards(workers, existing)
            self._copy_other_files(workers)
            self._check_sizes(self._target.files())
            if self._source.read(GROUP_FILE) != self._group:
                raise CacheError(f"{self._source.url}: changed while it was copied; copy it again")
            self._target.write(GROUP_FILE, self._group)
            remove_build_folder(self._target)
        return self._report(was_complete=False)

    def _report(self, *, was_complete: bool) -> SplitCopy:
        shards, size = len(self._cache.shards), sum(self._sizes.values())
        return SplitCopy(self._cache.split, shards, self._copied, size, was_complete)

    def _is_complete(self) -> bool:
        """Whether the destination already is a complete copy of this store."""
        group = self._target.read_present([GROUP_FILE]).get(GROUP_FILE)
        if group is None:
            return False
        if group != self._group:
            raise CacheError(
                f"{self._target.url}: contains a different store ({_describe(group)}), expected {self._source.url} "
                f"({_describe(self._group)}); --force or BGB_FORCE_CACHE_COPY=1 replaces it"
            )
        existing = self._target.files()
        return f"{BUILD_FOLDER}/{COPY_FILE}" not in existing and not self._wrong_sizes(existing)

    def _start_or_resume(self) -> dict[str, int]:
        """Records which store is copied, removes files of an earlier one, and returns the sizes of existing files."""
        group = hashlib.sha256(self._group).hexdigest()
        build = self._target.at(BUILD_FOLDER)
        found = build.read_present([COPY_FILE, PLAN_FILE])
        record = json.loads(found.get(COPY_FILE, b"{}"))
        if not self._replace:
            if PLAN_FILE in found:
                raise CacheError(f"{self._target.url}: is an unfinished build; --force replaces it by the copy")
            if record.get("group", group) != group:
                raise CacheError(
                    f"{self._target.url}: is an unfinished copy of {record['source']}, expected {self._source.url}; "
                    "--force starts from scratch"
                )
        existing = self._target.files()
        earlier = set(record.get("files", ())) | self._files_of_replaced_store()
        foreign, obsolete = self._files_of_others(existing, earlier)
        if foreign:
            raise CacheError(
                f"{self._target.url}/{foreign[0]}: does not belong to this store, but readers would read it as a "
                "shard; move it to another folder"
            )
        files = sorted({*self._sizes, *earlier.intersection(existing)})
        build.write(COPY_FILE, json.dumps({"source": self._source.url, "group": group, "files": files}).encode())
        self._target.remove(GROUP_FILE)  # not a store until it is complete again
        for name in obsolete:
            self._target.remove(name)
        return existing

    def _files_of_replaced_store(self) -> set[str]:
        group = self._target.read_present([GROUP_FILE]).get(GROUP_FILE)
        return set(split_files(f"{self._target.url}/{GROUP_FILE}", group)) if group is not None else set()

    def _files_of_others(self, existing: dict[str, int], earlier: set[str]) -> tuple[list[str], list[str]]:
        """Of the existing files that the source does not have: foreign ones among the shards, and ones to remove."""
        folders = {name.rpartition("/")[0] for name in self._sizes}
        foreign, obsolete = [], []
        for name in existing.keys() - self._sizes.keys():
            folder, _, file = name.rpartition("/")
            is_old_shard = self._replace and folder == SHARDS and file.isdigit()
            if name in earlier or is_old_shard or (folder in folders and is_leftover(file)):
                obsolete.append(name)
            elif name.startswith(f"{SIGNAL}/"):
                foreign.append(name)
        return sorted(foreign), sorted(obsolete)

    def _copy_shards(self, workers: int, existing: dict[str, int]) -> None:
        with ThreadPoolExecutor(workers) as pool:
            tasks = [pool.submit(self._copy_shard, shard, existing) for shard in self._cache.shards]
            try:
                for task in as_completed(tasks):
                    task.result()
            except BaseException:  # even at Ctrl-C: waiting tasks do not start
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _copy_shard(self, shard: int, existing: dict[str, int]) -> None:
        name = shard_name(shard)
        exists = not self._replace and existing.get(name) == self._sizes[name] and self._has_same_index(name)
        if not exists:
            content = self._source.read(name)
            url, channels, chunk = f"{self._source.url}/{name}", len(self._cache.channels), self._cache.chunk
            damage = find_shard_damage(content, url, channels, chunk)
            if damage:
                raise CacheError(damage[0])
            self._target.write(name, content)
        with self._lock:
            self._done += 1
            self._copied += not exists
            if self._on_shard is not None:
                self._on_shard(self._cache.split, self._done, len(self._cache.shards))

    def _has_same_index(self, name: str) -> bool:
        """Whether both shards end with the same index; indexes of different signals hardly ever agree."""
        size = self._sizes[name]
        span = [Span(name, max(size - INDEX_BYTES, 0), size)]
        return bytes(self._source.read_spans(span)[0]) == bytes(self._target.read_spans(span)[0])

    def _copy_other_files(self, workers: int) -> None:
        """Copies everything but the shards and the metadata of the group."""
        names = [name for name in self._sizes if not name.startswith(f"{SHARDS}/") and name != GROUP_FILE]
        contents = self._source.read_all(names)
        self._sizes |= dict(zip(names, map(len, contents), strict=True))
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(self._target.write, names, contents))

    def _wrong_sizes(self, existing: dict[str, int]) -> list[str]:
        return [name for name, size in self._sizes.items() if existing.get(name) != size and name != MANIFEST_FILE]

    def _check_sizes(self, existing: dict[str, int]) -> None:
        wrong = [name for name in self._wrong_sizes(existing) if name != GROUP_FILE]
        if wrong:
            name = wrong[0]
            raise CacheError(
                f"{self._target.url}/{name}: size after copying is {existing.get(name, 0)} bytes, "
                f"expected {self._sizes[name]}"
            )


def _describe(group: bytes) -> str:
    try:
        attributes = json.loads(group)["attributes"]
        return f"plan {attributes['plan_hash'][:12]}, {len(attributes['shards'])} shards"
    except (ValueError, KeyError, TypeError):
        return "of unknown kind"
