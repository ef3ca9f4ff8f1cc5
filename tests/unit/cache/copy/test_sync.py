"""Copying a store between folders and object stores."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import seizurekit as sk
from seizurekit.cache.copy.sync import sync_cache
from seizurekit.cache.layout import shard_name
from seizurekit.cache.lock import lock_split
from seizurekit.errors import CacheError, StorageError
from seizurekit.storage.local import LocalFolder
from seizurekit.storage.objects import ObjectFolder
from seizurekit.storage.open import open_folder


def content(url: str | Path) -> dict[str, bytes]:
    folder = open_folder(url)
    return {name: folder.read(name) for name in folder.files()}


@pytest.fixture(scope="module")
def uploaded_store(small_store: Path, s3: Callable[[str], str], upload: Callable[[Path, str], str]) -> str:
    """`small_store` on the server that takes writes."""
    return upload(small_store, s3("small/cache"))


@pytest.fixture(params=["local to local", "local to s3", "s3 to local", "s3 to s3"])
def urls(
    request: pytest.FixtureRequest, small_store: Path, uploaded_store: str, s3: Callable[[str], str], tmp_path: Path
) -> tuple[str, str]:
    source, _, destination = request.param.partition(" to ")
    return (
        str(small_store) if source == "local" else uploaded_store,
        str(tmp_path / "copy") if destination == "local" else s3(f"copies/{request.node.name.replace(' ', '-')}"),
    )


@pytest.mark.slow
def test_a_copy_has_the_same_bytes_and_is_made_once(urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    source, destination = urls
    expected = content(source)
    seen: list[tuple[str, int, int]] = []
    copies = sync_cache(source, destination, on_shard=lambda *progress: seen.append(progress))
    assert content(destination) == expected
    assert [copy.split for copy in copies] == ["train", "dev", "eval"]
    assert all(copy.copied == copy.shards and not copy.was_complete for copy in copies)
    assert ("train", 1, 1) in seen
    with monkeypatch.context() as patched:
        for folder in (LocalFolder, ObjectFolder):
            patched.setattr(folder, "write", None)
        assert all(copy.was_complete and copy.copied == 0 for copy in sync_cache(source, destination))
    (copy,) = sync_cache(source, destination, split="eval", force=True)
    assert copy.copied == copy.shards
    monkeypatch.setenv("BGB_FORCE_CACHE_COPY", "1")
    (copy,) = sync_cache(source, destination, split="eval")
    assert copy.copied == copy.shards
    copied = {name.removeprefix("eval/"): data for name, data in expected.items() if name.startswith("eval/")}
    assert content(f"{destination}/eval") == copied


@pytest.mark.parametrize("allowed", [0, 1, 2, 5, 12, 40])
def test_a_failed_copy_is_not_a_store_and_can_be_resumed(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    remaining = [allowed]
    write = LocalFolder.write

    def failing(self: LocalFolder, name: str, data: bytes) -> None:
        remaining[0] -= 1
        if remaining[0] < 0:
            raise OSError(28, "No space left on device", str(self.path / name))
        write(self, name, data)

    with monkeypatch.context() as patched:
        patched.setattr(LocalFolder, "write", failing)
        with pytest.raises(OSError, match="No space left"):
            sync_cache(small_store, tmp_path / "copy", split="train", workers=1)
    with pytest.raises(CacheError, match=r"copy incomplete: run the same sync-cache|no such store|no split 'train'"):
        sk.open_cache(tmp_path / "copy")
    sync_cache(small_store, tmp_path / "copy")
    assert content(tmp_path / "copy") == content(small_store)


def test_existing_shards_are_not_copied_again(small_store: Path, tmp_path: Path) -> None:
    sync_cache(small_store, tmp_path / "copy")
    (tmp_path / "copy" / "train" / "recordings" / "id" / "zarr.json").unlink()
    copies = {copy.split: copy for copy in sync_cache(small_store, tmp_path / "copy")}
    assert (copies["train"].copied, copies["train"].was_complete) == (0, False)
    assert copies["dev"].was_complete
    assert content(tmp_path / "copy") == content(small_store)


def test_a_copy_that_was_killed_before_its_last_step_is_finished(small_store: Path, tmp_path: Path) -> None:
    sync_cache(small_store, tmp_path / "copy", split="dev")
    marker = tmp_path / "copy" / "dev" / ".build" / "copy.json"
    marker.parent.mkdir()
    group = hashlib.sha256((small_store / "dev" / "zarr.json").read_bytes()).hexdigest()
    marker.write_text(json.dumps({"source": str(small_store), "group": group}))
    (copy,) = sync_cache(small_store, tmp_path / "copy", split="dev")
    assert (copy.copied, copy.was_complete) == (0, False)
    assert content(tmp_path / "copy" / "dev") == content(small_store / "dev")


def test_a_file_that_was_written_in_part_is_named(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = LocalFolder.write
    with monkeypatch.context() as patched:
        patched.setattr(LocalFolder, "write", lambda self, name, data: write(self, name, data[:5000]))
        with pytest.raises(CacheError, match=r"c/0/0: size after copying is 5000 bytes, expected \d{5,}"):
            sync_cache(small_store, tmp_path / "copy", split="dev")
    with pytest.raises(CacheError, match="copy incomplete"):
        sk.open_cache(tmp_path / "copy", "dev")


def test_a_damaged_shard_is_named_and_not_copied(small_store: Path, tmp_path: Path) -> None:
    source = shutil.copytree(small_store, tmp_path / "source")
    shard = source / "train" / shard_name(0)
    data = bytearray(shard.read_bytes())
    data[5000] ^= 2
    shard.write_bytes(data)
    with pytest.raises(CacheError, match=r"source/train/signal/c/0/0: chunk 0 \(bytes 0 to \d+\): damaged"):
        sync_cache(source, tmp_path / "copy")
    assert not (tmp_path / "copy" / "train" / shard_name(0)).exists()
    shard.unlink()
    with pytest.raises(CacheError, match=r"signal/c/0/0: missing shard"):
        sync_cache(source, tmp_path / "copy")


def test_another_store_is_replaced_only_by_force(small_store: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_store, tmp_path / "copy")
    group = copy / "train" / "zarr.json"
    other = json.loads(group.read_text())
    other["attributes"]["plan_hash"] = "f" * 64
    group.write_text(json.dumps(other))
    (copy / "train" / shard_name(7)).write_bytes(b"a shard of the other store")
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(CacheError, match=r"contains a different store \(plan ffffffffffff"):
        sync_cache(small_store, copy)
    sync_cache(small_store, copy, force=True)
    assert content(copy) == content(small_store) | {"notes.txt": b"mine"}


def test_an_unfinished_copy_of_another_store_is_not_resumed(small_store: Path, tmp_path: Path) -> None:
    marker = tmp_path / "copy" / "train" / ".build" / "copy.json"
    marker.parent.mkdir(parents=True)
    marker.write_text(json.dumps({"source": "s3://other/cache", "group": "0"}))
    with pytest.raises(CacheError, match="unfinished copy of s3://other/cache"):
        sync_cache(small_store, tmp_path / "copy")
    sync_cache(small_store, tmp_path / "copy", force=True)
    assert content(tmp_path / "copy") == content(small_store)


def test_a_copy_onto_or_into_its_source_is_rejected(small_store: Path) -> None:
    before = content(small_store)
    for destination in (small_store, small_store / "train", small_store.parent, f"{small_store}/../cache"):
        with pytest.raises(CacheError, match=r"the source .*: use another folder"):
            sync_cache(small_store, destination, force=True)
    assert content(small_store) == before


def test_a_second_copy_to_the_same_folder_is_rejected(small_store: Path, tmp_path: Path) -> None:
    with (
        lock_split(open_folder(tmp_path / "copy").at("train"), "copy"),
        pytest.raises(CacheError, match="another copy of this store is running: process"),
    ):
        sync_cache(small_store, tmp_path / "copy")


def test_a_folder_without_a_store_and_an_unreachable_store_are_named(tmp_path: Path, small_store: Path) -> None:
    with pytest.raises(CacheError, match="no finished store"):
        sync_cache(tmp_path, tmp_path.parent / "copy")
    options = {"endpoint": "http://127.0.0.1:9", "retry_config": {"max_retries": 0}}
    with pytest.raises(StorageError, match=r"s3://bucket/copy/train"):
        sync_cache(small_store, "s3://bucket/copy", destination_options=options)


def test_a_copy_gives_the_same_samples(small_store: Path, tmp_path: Path) -> None:
    sync_cache(small_store, tmp_path / "copy", split="dev")
    np.testing.assert_array_equal(
        sk.open_cache(tmp_path / "copy", "dev").read(0), sk.open_cache(small_store, "dev").read(0)
    )
