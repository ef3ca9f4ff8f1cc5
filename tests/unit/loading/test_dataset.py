"""The torch datasets over a store's windows, in this process and in workers."""

from __future__ import annotations

import os
import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import seizurekit as sk
from seizurekit.errors import CacheError


@pytest.fixture
def dataset(small_store: Path) -> sk.EEGWindowDataset:
    return sk.EEGWindowDataset(small_store, window=20.0, stride=10.0)


def test_an_item_is_a_window_of_the_store_and_its_mask(dataset: sk.EEGWindowDataset, small_store: Path) -> None:
    windows = sk.open_cache(small_store, split="train").windows(window=20.0, stride=10.0)
    assert len(dataset) == len(windows)
    for item in (0, len(dataset) // 2, len(dataset) - 1, -1):
        x, y = dataset[item]
        expected_x, expected_y = windows.read([item])
        assert (x.shape, x.dtype, y.shape, y.dtype) == ((19, 5120), torch.float32, (5120,), torch.uint8)
        np.testing.assert_array_equal(x.numpy(), expected_x[0])
        np.testing.assert_array_equal(y.numpy(), expected_y[0])


def test_several_items_at_once_equal_single_items(dataset: sk.EEGWindowDataset) -> None:
    for (x, y), item in zip(dataset.__getitems__([3, 0, 5]), (3, 0, 5), strict=True):
        assert torch.equal(x, dataset[item][0])
        assert torch.equal(y, dataset[item][1])


def test_an_item_beyond_the_end_is_an_index_error(dataset: sk.EEGWindowDataset) -> None:
    with pytest.raises(IndexError, match=f"is out of range for {len(dataset)} items"):
        dataset[len(dataset)]
    assert sum(1 for _ in iter(dataset)) == len(dataset)


@pytest.mark.parametrize("kind", [sk.EEGWindowDataset, sk.BalancedSeizureDataset])
def test_a_pickled_dataset_is_small_for_any_store_and_has_the_same_windows(
    small_store: Path, kind: type[sk.EEGWindowDataset]
) -> None:
    dataset = kind(small_store, window=20.0, stride=0.01)
    assert len(dataset) > 10_000
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 4_000
    copy = pickle.loads(pickled)
    np.testing.assert_array_equal(copy.indices, dataset.indices)
    assert torch.equal(copy[1][0], dataset[1][0])


def test_a_dataset_opens_no_shard_before_its_first_item_is_read(small_store: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_store, tmp_path / "cache")
    shutil.rmtree(copy / "train" / "signal" / "c")
    dataset = pickle.loads(pickle.dumps(sk.EEGWindowDataset(copy, window=20.0)))
    with pytest.raises(CacheError, match="signal/c/0/0"):
        dataset[0]


@pytest.mark.slow
@pytest.mark.parametrize("start_method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_workers_of_a_dataloader_read_what_this_process_has_read(
    dataset: sk.EEGWindowDataset, start_method: str
) -> None:
    expected = [dataset[item][0] for item in range(8)]
    loader = DataLoader(
        torch.utils.data.Subset(dataset, range(8)), batch_size=4, num_workers=1, multiprocessing_context=start_method
    )
    found = torch.cat([x for x, _ in loader])
    assert torch.equal(found, torch.stack(expected))


def test_a_store_of_another_chain_is_rejected_with_both_chains(small_store: Path) -> None:
    other = sk.Chain(band=(1.0, 100.0))
    with pytest.raises(CacheError, match=other.hash[:12]) as error:
        sk.EEGWindowDataset(small_store, chain=other)
    assert sk.Chain().hash[:12] in str(error.value)


def test_a_missing_split_is_rejected(small_store: Path) -> None:
    with pytest.raises(CacheError, match="'test'"):
        sk.EEGWindowDataset(small_store, "test")


def test_a_dataset_takes_an_object_store_and_keeps_shards_locally(
    remote_store: str, small_store: Path, tmp_path: Path
) -> None:
    options = {"region": "us-east-1"}
    dataset = sk.EEGWindowDataset(
        remote_store, window=20.0, storage_options=options, local_dir=tmp_path, local_dir_gb=1.0
    )
    expected = sk.EEGWindowDataset(small_store, window=20.0)
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[3][0], expected[3][0])
    assert any(tmp_path.iterdir())


def test_a_forked_process_cannot_read_an_object_store_that_was_read_before_the_fork(remote_store: str) -> None:
    dataset = sk.EEGWindowDataset(remote_store, window=20.0)
    dataset[0]
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about a fork with threads, which is tested here
        child = os.fork()
    if child == 0:
        try:
            dataset[0]
            result = "read"
        except BaseException as error:
            result = str(error)
        os.write(writer, result.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert "spawn" in pipe.read()
    os.waitpid(child, 0)
