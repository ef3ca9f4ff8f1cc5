"""Batches by torch's DataLoader: the same as without it."""

from __future__ import annotations

import gc
import multiprocessing
import os
from pathlib import Path

import pytest
import torch

import seizurekit as sk
from seizurekit.loading.torch_loader import TorchLoader

WINDOW = {"window": 20.0, "stride": 10.0}


@pytest.fixture
def dataset(small_store: Path) -> sk.EEGWindowDataset:
    return sk.EEGWindowDataset(small_store, **WINDOW)


def epoch_of(loader: TorchLoader) -> list[tuple[list[int], torch.Tensor, torch.Tensor]]:
    return [(loader.current.tolist(), x, y) for x, y in loader]


def same(a: list[tuple[list[int], torch.Tensor, torch.Tensor]], b: list[tuple[list[int], torch.Tensor, torch.Tensor]]):
    return len(a) == len(b) and all(
        p[0] == q[0] and torch.equal(p[1], q[1]) and torch.equal(p[2], q[2]) for p, q in zip(a, b, strict=True)
    )


def test_the_order_is_window_loaders(dataset: sk.EEGWindowDataset) -> None:
    by_torch = TorchLoader(dataset, 8, seed=3, num_workers=0)
    by_threads = sk.WindowLoader(dataset.windows, 8, seed=3, balanced=False)
    for _ in range(2):
        found, wanted = list(by_torch), list(by_threads)
        assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(found, wanted, strict=True))
    assert len(by_torch) == len(by_threads)


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("batch", [7, 1000])
def test_workers_give_the_same_epochs_as_none(dataset: sk.EEGWindowDataset, persistent: bool, batch: int) -> None:
    wanted = TorchLoader(dataset, batch, num_workers=0)
    loader = TorchLoader(dataset, batch, num_workers=2, persistent_workers=persistent)
    for _ in range(5 if persistent else 2):
        assert same(epoch_of(loader), epoch_of(wanted))
    assert loader.num_workers == 2
    loader.close()
    gc.collect()
    assert not multiprocessing.active_children()


def test_more_workers_than_batches_or_processors_are_taken_as_they_come(dataset: sk.EEGWindowDataset) -> None:
    wanted = TorchLoader(dataset, 1000, num_workers=0)
    loader = TorchLoader(dataset, 1000, num_workers=(os.cpu_count() or 1) + 1)
    for _ in range(2):
        assert same(epoch_of(loader), epoch_of(wanted))


def test_leaving_early_leaves_the_next_epoch_whole(dataset: sk.EEGWindowDataset) -> None:
    loader = TorchLoader(dataset, 7, num_workers=1)
    for _ in loader:
        break
    wanted = TorchLoader(dataset, 7, num_workers=0)
    for epoch in (1, 0):
        loader.set_epoch(epoch)
        wanted.set_epoch(epoch)
        assert same(epoch_of(loader), epoch_of(wanted))


def test_of_two_iterations_at_once_the_older_one_ends(dataset: sk.EEGWindowDataset) -> None:
    loader = TorchLoader(dataset, 7, num_workers=0)
    older = iter(loader)
    next(older)
    newer = iter(loader)
    next(newer)
    with pytest.raises(RuntimeError, match="another iteration"):
        next(older)
    assert len(list(newer)) == len(loader) - 1


def test_workers_draw_nothing_from_the_generator_of_the_training(dataset: sk.EEGWindowDataset) -> None:
    before = torch.get_rng_state()
    for workers in (0, 1):
        list(TorchLoader(dataset, 50, num_workers=workers))
    assert torch.equal(torch.get_rng_state(), before)


def test_no_combination_of_settings_is_refused_for_want_of_workers(dataset: sk.EEGWindowDataset) -> None:
    for persistent in (True, False):
        loader = TorchLoader(dataset, 50, num_workers=0, persistent_workers=persistent, prefetch_factor=5, timeout_s=1)
        assert len(list(loader)) == len(loader)
    assert not multiprocessing.active_children()


def test_a_remote_store_is_read_by_spawned_workers(remote_store: str) -> None:
    dataset = sk.EEGWindowDataset(remote_store, **WINDOW)
    found = TorchLoader(dataset, 50, num_workers=1, persistent_workers=False)
    wanted = TorchLoader(dataset, 50, num_workers=0)
    assert same(epoch_of(found), epoch_of(wanted))
