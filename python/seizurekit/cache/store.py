"""Opening a store."""

from __future__ import annotations

import json
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path

from seizurekit.cache.layout import BUILD_FOLDER, COPY_FILE, FORMAT_VERSION, GROUP_FILE, PLAN_FILE
from seizurekit.cache.manifest import Manifest, read_manifest
from seizurekit.cache.read.shard_cache import DEFAULT_GB
from seizurekit.cache.split import Split
from seizurekit.cache.windows import Windows
from seizurekit.errors import CacheError
from seizurekit.recordings.corpus import SPLITS
from seizurekit.signal.chain import Chain
from seizurekit.storage.folder import Folder, Options
from seizurekit.storage.open import open_folder


class Cache(Split):
    """One split of a store with its windows and its manifest, as `open_cache` returns it; see `Split`."""

    @cached_property
    def manifest(self) -> Manifest:
        """Counts of the windows of 60 s every 10 s by kind; rebuilt if the file is missing, stale or damaged."""
        return read_manifest(self)

    def windows(self, window: float = 60.0, stride: float = 10.0, limit: int | None = None) -> Windows:
        """Windows of `window` seconds, one every `stride` seconds, each within one recording.

        Args:
            window: length of a window, s.
            stride: from the start of a window to the start of the next, s.
            limit: use only the first `limit` recordings; None for all.
        """
        return Windows(self, window, stride, limit)


def open_cache(
    path_or_url: str | PathLike[str],
    split: str = "train",
    storage_options: Options | None = None,
    chain: Chain | None = None,
    local_dir: str | PathLike[str] | None = None,
    local_dir_gb: float = DEFAULT_GB,
) -> Cache:
    """Opens one split of a store.

    Args:
        path_or_url: the store's folder, which has a folder for each split: a path, or a URL (``s3://``, ``gs://``,
            ``az://``, ``https://``).
        split: name of the split.
        storage_options: options of an object store, as obstore's store of that scheme takes them; the usual variables
            (``AWS_*``, including ``AWS_ENDPOINT_URL``) provide the others.
        chain: raise an error unless the store was preprocessed by this chain.
        local_dir: for an object store: keep whole shards in this folder, to read them from the disk the next time.
        local_dir_gb: size limit of the shards there, GB.

    Raises:
        CacheError: no such store or split, an unfinished build, another format version, another chain.
        StorageError: the object store cannot be reached, or denies access.
    """
    root = open_folder(path_or_url, storage_options)
    return open_split(root, split, chain, None if local_dir is None else fspath(local_dir), local_dir_gb)


def open_split(
    root: Folder,
    split: str,
    chain: Chain | None = None,
    local_dir: str | None = None,
    local_dir_gb: float = DEFAULT_GB,
) -> Cache:
    """Opens one split of the store in a folder, see `open_cache`."""
    folder = root.at(split)
    name = f"{folder.url}/{GROUP_FILE}"
    try:
        group = json.loads(folder.read(GROUP_FILE))
        attributes = group["attributes"]
        version = attributes["format_version"]
    except (FileNotFoundError, NotADirectoryError):
        raise CacheError(_missing_message(root, split)) from None
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        raise CacheError(f"{name}: damaged: not the metadata of a seizurekit store") from None
    if version != FORMAT_VERSION:
        raise CacheError(f"{folder.url}: format version is {version}, expected {FORMAT_VERSION}: rebuild the store")
    if local_dir_gb <= 0:
        raise CacheError(f"local_dir_gb is {local_dir_gb:g}, expected more than 0")
    try:
        cache = Cache(folder, group, local_dir, local_dir_gb)
        chain_hash = attributes["chain_hash"]
    except KeyError as error:
        raise CacheError(f"{name}: damaged: attribute {error} is missing") from None
    if chain is not None and chain.hash != chain_hash:
        differences = cache.chain.differences(chain) or ("the arithmetic, which changed between versions",)
        raise CacheError(
            f"{folder.url}: the store's chain is {chain_hash[:12]}, expected {chain.hash[:12]}; "
            f"they differ in (store's, expected) {'; '.join(differences)}"
        )
    return cache


def splits_in(root: Folder) -> tuple[str, ...]:
    """Names of the finished splits of the store in a folder."""
    names = root.folders()
    finished = [name for name in names if root.size(f"{name}/{GROUP_FILE}") is not None]
    order = (*SPLITS, *sorted(set(finished) - set(SPLITS)))
    return tuple(name for name in order if name in finished)


def _missing_message(root: Folder, split: str) -> str:
    for file, work, command in ((PLAN_FILE, "build", "build-cache"), (COPY_FILE, "copy", "sync-cache")):
        if root.size(f"{split}/{BUILD_FOLDER}/{file}") is not None:
            return f"{root.url}/{split}: {work} incomplete: run the same {command} command again to resume it"
    splits = splits_in(root)
    if not splits and (not root.is_local or not Path(root.url).is_dir()):
        return f"{root.url}: no such store; create one with build-cache"
    existing = f"its splits are {', '.join(splits)}" if splits else "it contains no store"
    return f"{root.url}: no split {split!r}; {existing}"
