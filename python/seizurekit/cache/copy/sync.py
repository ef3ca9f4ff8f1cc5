"""Copying a store: any place to any place, in parallel, resumable, each shard verified on its way."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from os import PathLike

from seizurekit import settings
from seizurekit.atomic import is_leftover
from seizurekit.cache.build.seal import remove_build
from seizurekit.cache.build.writer import damages_of
from seizurekit.cache.copy.same_place import lies_in
from seizurekit.cache.copy.split_files import has_lists, sizes_of, split_files
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
from seizurekit.cache.lock import lock_split
from seizurekit.cache.store import Cache, open_split, splits_in
from seizurekit.errors import CacheError
from seizurekit.recordings.corpus import SPLITS
from seizurekit.storage.folder import Folder, Options, Span
from seizurekit.storage.open import open_folder

OnShard = Callable[[str, int, int], None]
"""Told after each shard: the split, the shards done, and all of them."""


@dataclass(frozen=True)
class SplitCopy:
    """What a copy did for a split: `shards` it has, of which `copied` were copied now, `bytes` in all.

    `was_complete`: the copy stood already, and nothing was done.
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
    """Copies a store, or goes on copying it; does nothing where the copy is complete.

    Args:
        source: path or URL of a store; it is only read.
        destination: path or URL of the copy.
        split: the one to copy; all by default.
        force: copy anew whatever is there; `BGB_FORCE_CACHE_COPY` does so too. Files that are no part of a store stay.
        workers: shards under way at once, each in memory.
        source_options: of an object store, see `open_cache`.
        destination_options: of an object store.
        on_shard: called after each shard, from one thread at a time.

    Raises:
        CacheError: no store there; a damaged shard, of which nothing is written; a destination that holds another
            store, or that another copy is writing.
        StorageError, OSError: a place cannot be read or written; the same call goes on where this one stopped.
    """
    if workers < 1:
        raise ValueError(f"workers: found {workers}, wanted at least 1")
    from_root, to_root = open_folder(source, source_options), open_folder(destination, destination_options)
    _check_apart(from_root, to_root)
    names = (split,) if split else _splits(from_root)
    if not names:
        raise CacheError(f"{from_root.url}: found no finished store, wanted one")
    anew = force or settings.force_cache_copy()
    return tuple(_Copy(open_split(from_root, name), to_root.at(name), anew, on_shard).run(workers) for name in names)


def _check_apart(source: Folder, destination: Folder) -> None:
    if lies_in(destination, source) or lies_in(source, destination):
        told = f"{destination.url}: found a place that is, holds or lies in {source.url}, the source"
        raise CacheError(f"{told}; wanted another")


def _splits(root: Folder) -> tuple[str, ...]:
    if has_lists(root):
        return splits_in(root)
    return tuple(name for name in SPLITS if root.size(f"{name}/{GROUP_FILE}") is not None)


class _Copy:
    """The copy of one split."""

    def __init__(self, cache: Cache, destination: Folder, anew: bool, on_shard: OnShard | None) -> None:
        self._cache, self._from, self._to = cache, cache.folder, destination
        self._anew, self._on_shard = anew, on_shard
        self._group = self._from.read(GROUP_FILE)
        for below in ("", SIGNAL, SHARDS):  # a link in the destination may lead into the source
            _check_apart(self._from, self._to.at(below) if below else self._to)
        self._wanted = sizes_of(self._from, split_files(f"{self._from.url}/{GROUP_FILE}", self._group))
        missing = [number for number in cache.shards if shard_name(number) not in self._wanted]
        if missing:
            raise CacheError(f"{self._from.url}/{shard_name(missing[0])}: missing shard")
        self._lock = threading.Lock()
        self._done = self._copied = 0

    def run(self, workers: int) -> SplitCopy:
        """Copies what is not there yet."""
        if not self._anew and self._is_complete():
            return self._report(was_complete=True)
        with lock_split(self._to, "copy"):
            there = self._begin()
            self._copy_shards(workers, there)
            others = [name for name in self._wanted if not name.startswith(f"{SHARDS}/") and name != GROUP_FILE]
            contents = self._from.read_all(others)
            self._wanted |= dict(zip(others, map(len, contents), strict=True))
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(self._to.write, others, contents))
            self._check_sizes(self._to.files())
            if self._from.read(GROUP_FILE) != self._group:
                raise CacheError(f"{self._from.url}: found it changed while it was copied; copy it again")
            self._to.write(GROUP_FILE, self._group)
            remove_build(self._to)
        return self._report(was_complete=False)

    def _report(self, *, was_complete: bool) -> SplitCopy:
        return SplitCopy(
            self._cache.split, len(self._cache.shards), self._copied, sum(self._wanted.values()), was_complete
        )

    def _is_complete(self) -> bool:
        """Whether the destination is this very store, whole."""
        found = self._to.read_present([GROUP_FILE]).get(GROUP_FILE)
        if found is None:
            return False
        if found != self._group:
            raise CacheError(
                f"{self._to.url}: found another store ({_named(found)}) than {self._from.url} ({_named(self._group)}), "
                "wanted none; --force or BGB_FORCE_CACHE_COPY=1 puts this one in its place"
            )
        there = self._to.files()
        return f"{BUILD_FOLDER}/{COPY_FILE}" not in there and not self._wrong(there)

    def _begin(self) -> dict[str, int]:
        """Notes what is copied, so that another copy does not go on with this one's shards; what is there, by size."""
        group = hashlib.sha256(self._group).hexdigest()
        build = self._to.at(BUILD_FOLDER)
        found = build.read_present([COPY_FILE, PLAN_FILE])
        marker = json.loads(found.get(COPY_FILE, b"{}"))
        if not self._anew:
            if PLAN_FILE in found:
                raise CacheError(f"{self._to.url}: found an unfinished build, wanted none; --force puts the copy there")
            if marker.get("group", group) != group:
                raise CacheError(
                    f"{self._to.url}: found an unfinished copy of {marker['source']}, wanted one of {self._from.url}; "
                    "--force begins anew"
                )
        there = self._to.files()
        earlier = set(marker.get("files", ())) | self._earlier_store()
        strange, obsolete = self._not_ours(there, earlier)
        if strange:
            told = "found a file of no store known here, which readers would take for a part of this one"
            raise CacheError(f"{self._to.url}/{strange[0]}: {told}; wanted it elsewhere")
        files = sorted({*self._wanted, *earlier.intersection(there)})
        build.write(COPY_FILE, json.dumps({"source": self._from.url, "group": group, "files": files}).encode())
        self._to.remove(GROUP_FILE)  # no store until it is whole again
        for name in obsolete:
            self._to.remove(name)
        return there

    def _earlier_store(self) -> set[str]:
        """Names of the files of the store that this copy takes the place of."""
        group = self._to.read_present([GROUP_FILE]).get(GROUP_FILE)
        return set(split_files(f"{self._to.url}/{GROUP_FILE}", group)) if group is not None else set()

    def _not_ours(self, there: dict[str, int], earlier: set[str]) -> tuple[list[str], list[str]]:
        """Of the files that are there and not in the source: strangers among the shards, and what is to be removed."""
        strange, obsolete = [], []
        folders = {name.rpartition("/")[0] for name in self._wanted}
        for name in there.keys() - self._wanted.keys():
            folder, _, last = name.rpartition("/")
            is_shard = self._anew and folder == SHARDS and last.isdigit()
            if name in earlier or is_shard or (folder in folders and is_leftover(last)):
                obsolete.append(name)
            elif name.startswith(f"{SIGNAL}/"):
                strange.append(name)
        return sorted(strange), sorted(obsolete)

    def _copy_shards(self, workers: int, there: dict[str, int]) -> None:
        with ThreadPoolExecutor(workers) as pool:
            tasks = [pool.submit(self._copy_shard, number, there) for number in self._cache.shards]
            try:
                for task in as_completed(tasks):
                    task.result()
            except BaseException:  # Ctrl-C too: what has not begun does not begin
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _copy_shard(self, number: int, there: dict[str, int]) -> None:
        name = shard_name(number)
        is_there = not self._anew and there.get(name) == self._wanted[name] and self._same_index(name)
        if not is_there:
            content = self._from.read(name)
            damages = damages_of(content, f"{self._from.url}/{name}", len(self._cache.channels), self._cache.chunk)
            if damages:
                raise CacheError(damages[0])
            self._to.write(name, content)
        with self._lock:
            self._done += 1
            self._copied += not is_there
            if self._on_shard is not None:
                self._on_shard(self._cache.split, self._done, len(self._cache.shards))

    def _same_index(self, name: str) -> bool:
        """Whether both shards end with the same places of chunks: shards of other content hardly ever do."""
        size = self._wanted[name]
        span = [Span(name, max(size - INDEX_BYTES, 0), size)]
        return bytes(self._from.read_spans(span)[0]) == bytes(self._to.read_spans(span)[0])

    def _wrong(self, there: dict[str, int]) -> list[str]:
        return [name for name, size in self._wanted.items() if there.get(name) != size and name != MANIFEST_FILE]

    def _check_sizes(self, there: dict[str, int]) -> None:
        wrong = [name for name in self._wrong(there) if name != GROUP_FILE]
        if wrong:
            name = wrong[0]
            raise CacheError(
                f"{self._to.url}/{name}: found {there.get(name, 0)} bytes after copying, wanted {self._wanted[name]}"
            )


def _named(group: bytes) -> str:
    try:
        attributes = json.loads(group)["attributes"]
        return f"plan {attributes['plan_hash'][:12]}, {len(attributes['shards'])} shards"
    except (ValueError, KeyError, TypeError):
        return "of unknown kind"
