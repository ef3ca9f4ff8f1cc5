"""Reading a store in an object store."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seizurekit as sk
from seizurekit.cache.layout import INDEX_BYTES, shard_name
from seizurekit.cache.read.block_cache import BlockCache
from seizurekit.cache.store import splits_in
from seizurekit.cache.verify import find_damage
from seizurekit.errors import CacheError, StorageError
from seizurekit.storage.open import open_folder


def test_a_remote_store_reads_like_the_local_one(small_store: Path, remote_store: str) -> None:
    local, remote = sk.open_cache(small_store), sk.open_cache(remote_store)
    assert splits_in(open_folder(remote_store)) == ("train", "dev", "eval")
    assert remote.manifest == local.manifest
    for name in local.recordings:
        np.testing.assert_array_equal(remote.recordings[name], local.recordings[name])
    expected, found = local.windows(), remote.windows()
    indices = np.random.default_rng(0).integers(0, len(expected), 20)
    for dtype in ("float32", "float16", "bfloat16", "int16"):
        for a, b in zip(expected.read(indices, dtype=dtype), found.read(indices, dtype=dtype), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(remote.read(1, 77, 9001), local.read(1, 77, 9001))
    again = pickle.loads(pickle.dumps(remote))
    np.testing.assert_array_equal(again.read(0), local.read(0))


@pytest.mark.slow
def test_blocks_give_the_same_windows(small_store: Path, remote_store: str) -> None:
    local, remote = sk.open_cache(small_store).windows(), sk.open_cache(remote_store).windows()
    indices = np.arange(len(local))
    expected, mask = local.read(indices)
    x, y = np.empty_like(expected), np.empty_like(mask)
    blocks = BlockCache(1, reach=6)  # keeps nothing
    for _ in range(2):
        assert remote.fill(indices, x, y, blocks=blocks) == []
        np.testing.assert_array_equal(x, expected)
        np.testing.assert_array_equal(y, mask)


def test_a_missing_store_is_named(s3: Callable[[str], str], remote_store: str) -> None:
    with pytest.raises(CacheError, match=r"s3://bucket/none: no such store"):
        sk.open_cache(s3("none"))
    with pytest.raises(CacheError, match=r"no split 'test'; its splits are train, dev, eval"):
        sk.open_cache(remote_store, "test")


def test_an_unreachable_server_is_named() -> None:
    options = {"endpoint": "http://127.0.0.1:9", "retry_config": {"max_retries": 1}}
    with pytest.raises(StorageError, match=r"s3://bucket/cache/train"):
        sk.open_cache("s3://bucket/cache", storage_options=options)


def damage(url: str, shard: str, change: Callable[[bytearray], bytes | bytearray | None]) -> None:
    folder = open_folder(url)
    content = change(bytearray(folder.read(shard)))
    if content is None:
        folder.remove(shard)
    else:
        folder.write(shard, bytes(content))


def flipped(position: int) -> Callable[[bytearray], bytearray]:
    def change(content: bytearray) -> bytearray:
        content[position] ^= 4
        return content

    return change


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message", "index_is_read"),
    [
        (flipped(200), r"chunk 0 \(bytes 0 to \d+\): damaged: checksum mismatch", True),
        (flipped(-INDEX_BYTES + 3), r"damaged: the shard's index does not match", False),
        (lambda content: None, "missing shard", True),
    ],
)
def test_damage_in_an_object_store_is_named_with_recording_shard_and_bytes(
    small_store: Path,
    s3: Callable[[str], str],
    upload: Callable[[Path, str], str],
    request: pytest.FixtureRequest,
    change: Callable[[bytearray], bytearray | None],
    message: str,
    index_is_read: bool,
) -> None:
    url = upload(small_store / "train", s3(f"damaged/{request.node.name}/train"))
    damage(url, shard_name(0), change)
    cache = sk.open_cache(url.rpartition("/")[0])
    if index_is_read:
        with pytest.raises(CacheError, match=message):
            cache.read(0)
    else:  # we read all indexes from one array; the shard's own index is for other readers
        np.testing.assert_array_equal(cache.read(0), sk.open_cache(small_store).read(0))
    assert list(find_damage(cache))


def test_a_chunk_that_was_damaged_on_the_way_is_fetched_again(
    small_store: Path, remote_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = sk.open_cache(remote_store)
    folder = type(cache.folder)
    read_spans, fetches = folder.read_spans, itertools.count()

    def read_damaged_first(self: Any, spans: Any) -> list[Any]:
        parts: list[Any] = read_spans(self, spans)
        if next(fetches) == 0:
            parts[0] = memoryview(flipped(200)(bytearray(parts[0])))
        return parts

    monkeypatch.setattr(folder, "read_spans", read_damaged_first)
    np.testing.assert_array_equal(cache.read(0), sk.open_cache(small_store).read(0))
    assert next(fetches) == 2


def test_no_error_contains_the_secret_key(s3: Callable[[str], str]) -> None:
    with pytest.raises(CacheError) as error:
        sk.open_cache(s3("none"), storage_options={"secret_access_key": "another-secret"})
    assert "another-secret" not in str(error.value)
