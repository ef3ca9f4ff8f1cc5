"""Reading a store from an object store."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import seizurekit as sk
from seizurekit.cache.layout import INDEX_BYTES, shard_name
from seizurekit.cache.read.blocks import BlockCache
from seizurekit.cache.store import splits_of
from seizurekit.cache.verify import damages
from seizurekit.errors import CacheError, StorageError
from seizurekit.storage.open import open_folder


def test_a_remote_store_reads_as_the_local_one(small_store: Path, remote_store: str) -> None:
    local, remote = sk.open_cache(small_store), sk.open_cache(remote_store)
    assert splits_of(remote_store) == ("train", "dev", "eval")
    assert remote.manifest == local.manifest
    for name in local.recordings:
        np.testing.assert_array_equal(remote.recordings[name], local.recordings[name])
    wanted, found = local.windows(), remote.windows()
    numbers = np.random.default_rng(0).integers(0, len(wanted), 20)
    for dtype in ("float32", "float16", "bfloat16", "int16"):
        for a, b in zip(wanted.read(numbers, dtype=dtype), found.read(numbers, dtype=dtype), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(remote.read(1, 77, 9001), local.read(1, 77, 9001))
    again = pickle.loads(pickle.dumps(remote))
    np.testing.assert_array_equal(again.read(0), local.read(0))


def test_blocks_give_the_same_windows(small_store: Path, remote_store: str) -> None:
    local, remote = sk.open_cache(small_store).windows(), sk.open_cache(remote_store).windows()
    numbers = np.arange(len(local))
    wanted, mask = local.read(numbers)
    x, y = np.empty_like(wanted), np.empty_like(mask)
    blocks = BlockCache(1, reach=6)  # keeps nothing
    for _ in range(2):
        assert remote.fill(numbers, x, y, blocks=blocks) == []
        np.testing.assert_array_equal(x, wanted)
        np.testing.assert_array_equal(y, mask)


def test_a_store_that_is_not_there_is_named(s3: Callable[[str], str], remote_store: str) -> None:
    with pytest.raises(CacheError, match=r"s3://bucket/none: no such store"):
        sk.open_cache(s3("none"))
    with pytest.raises(CacheError, match=r"no split 'test' in it, found train, dev, eval"):
        sk.open_cache(remote_store, "test")


def test_a_server_that_is_not_there_is_named() -> None:
    options = {"endpoint": "http://127.0.0.1:9", "retry_config": {"max_retries": 1}}
    with pytest.raises(StorageError, match=r"s3://bucket/cache/train"):
        sk.open_cache("s3://bucket/cache", storage_options=options)


def damaged(url: str, shard: str, change: Callable[[bytearray], bytes | bytearray | None]) -> None:
    folder = open_folder(url)
    content = change(bytearray(folder.read(shard)))
    if content is None:
        folder.remove(shard)
    else:
        folder.write(shard, bytes(content))


def flipped(place: int) -> Callable[[bytearray], bytearray]:
    def change(content: bytearray) -> bytearray:
        content[place] ^= 4
        return content

    return change


@pytest.mark.parametrize(
    ("change", "told", "index_is_read"),
    [
        (flipped(200), r"chunk 0 \(bytes 0 to \d+\): damaged: checksum mismatch", True),
        (flipped(-INDEX_BYTES + 3), r"damaged: the checksum of the shard's index", False),
        (lambda content: None, "missing shard", True),
    ],
)
def test_damage_in_an_object_store_is_named_with_recording_shard_and_bytes(
    small_store: Path,
    s3: Callable[[str], str],
    upload: Callable[[Path, str], str],
    request: pytest.FixtureRequest,
    change: Callable[[bytearray], bytearray | None],
    told: str,
    index_is_read: bool,
) -> None:
    url = upload(small_store / "train", s3(f"damaged/{request.node.name}/train"))
    damaged(url, shard_name(0), change)
    cache = sk.open_cache(url.rpartition("/")[0])
    if index_is_read:
        with pytest.raises(CacheError, match=told):
            cache.read(0)
    else:  # all indexes come from one array; the shard's own is for other readers
        np.testing.assert_array_equal(cache.read(0), sk.open_cache(small_store).read(0))
    assert list(damages(cache))


def test_a_bucket_lists_its_secret_nowhere_in_the_errors_of_a_store(s3: Callable[[str], str]) -> None:
    with pytest.raises(CacheError) as refused:
        sk.open_cache(s3("none"), storage_options={"secret_access_key": "another-secret"})
    assert "another-secret" not in str(refused.value)
