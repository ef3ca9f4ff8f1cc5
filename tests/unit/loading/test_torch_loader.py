"""Batches from torch's DataLoader are the same as without it."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import seizurekit as sk
from seizurekit.loading.torch_loader import TorchLoader

WINDOW: dict[str, Any] = {"window": 20.0, "stride": 10.0}
Epoch = list[tuple[list[int], torch.Tensor, torch.Tensor]]


@pytest.fixture(scope="module")
def dataset(small_store: Path) -> sk.EEGWindowDataset:
    return sk.EEGWindowDataset(small_store, **WINDOW)


@pytest.fixture(scope="module")
def reader(dataset: sk.EEGWindowDataset) -> TorchLoader:
    """A loader without workers, whose batches the workers must equal."""
    return TorchLoader(dataset, 7, num_workers=0)


@pytest.fixture(scope="module")
def workers(dataset: sk.EEGWindowDataset) -> Iterator[TorchLoader]:
    """A loader whose two spawned workers stay for all tests of this module, on a machine with one processor."""
    dataset[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda _: {0})
        loader = TorchLoader(dataset, 7, num_workers=2)
        yield loader
        loader.close()
    gc.collect()
    assert not multiprocessing.active_children()


def read_epoch(loader: TorchLoader, epoch: int, done: int = 0) -> Epoch:
    loader.set_epoch(epoch, done)
    return [(loader.current.tolist(), x, y) for x, y in loader]


def same(a: Epoch, b: Epoch) -> bool:
    return len(a) == len(b) and all(
        p[0] == q[0] and torch.equal(p[1], q[1]) and torch.equal(p[2], q[2]) for p, q in zip(a, b, strict=True)
    )


def test_the_order_is_that_of_window_loader(dataset: sk.EEGWindowDataset) -> None:
    by_torch = TorchLoader(dataset, 8, seed=3, num_workers=0)
    by_threads = sk.WindowLoader(dataset.windows, 8, seed=3, balanced=False)
    for _ in range(2):
        for a, b in zip(by_torch, by_threads, strict=True):
            assert torch.equal(a[0], b[0])
            assert torch.equal(a[1], b[1])
    assert len(by_torch) == len(by_threads)


@pytest.mark.slow
def test_workers_give_the_same_epochs_as_none(workers: TorchLoader, reader: TorchLoader) -> None:
    processes = None
    for epoch in range(3):
        assert same(read_epoch(workers, epoch), read_epoch(reader, epoch))
        assert workers.num_workers == 2
        processes = processes or multiprocessing.active_children()
        assert multiprocessing.active_children() == processes


def test_an_epoch_may_have_fewer_batches_than_workers(
    workers: TorchLoader, reader: TorchLoader, dataset: sk.EEGWindowDataset
) -> None:
    for _ in range(2):
        found = read_epoch(workers, 1, len(dataset) - 3)
        assert len(found) == 1
        assert same(found, read_epoch(reader, 1, len(dataset) - 3))
    assert same(read_epoch(workers, 2), read_epoch(reader, 2))


def test_the_epoch_after_one_that_was_left_early_is_complete(workers: TorchLoader, reader: TorchLoader) -> None:
    read_epoch(workers, 0)
    processes = multiprocessing.active_children()
    workers.set_epoch(1)
    for _ in workers:
        break
    assert same(read_epoch(workers, 2), read_epoch(reader, 2))
    assert same(read_epoch(workers, 1), read_epoch(reader, 1))
    assert multiprocessing.active_children() == processes


def test_an_epoch_that_was_left_early_restarts(dataset: sk.EEGWindowDataset, reader: TorchLoader) -> None:
    loader = TorchLoader(dataset, 7, num_workers=0)
    loader.set_epoch(1)
    next(iter(loader))
    restarted = [(loader.current.tolist(), x, y) for x, y in loader]
    assert same(restarted, read_epoch(reader, 1))
    assert loader.epoch == 2


def test_a_new_iteration_ends_the_previous_one(dataset: sk.EEGWindowDataset) -> None:
    loader = TorchLoader(dataset, 7, num_workers=0)
    older = iter(loader)
    next(older)
    newer = iter(loader)
    next(newer)
    with pytest.raises(RuntimeError, match="another iteration"):
        next(older)
    assert len(list(newer)) == len(loader) - 1


def test_the_older_of_two_iterations_does_not_end_the_workers_of_the_newer(workers: TorchLoader) -> None:
    older = iter(workers)
    next(older)
    processes = multiprocessing.active_children()
    newer = iter(workers)
    next(newer)
    with pytest.raises(RuntimeError, match="another iteration"):
        next(older)
    assert len(list(newer)) == len(workers) - 1
    assert multiprocessing.active_children() == processes


def test_workers_draw_nothing_from_the_generator_of_the_training(workers: TorchLoader, reader: TorchLoader) -> None:
    before = torch.get_rng_state()
    read_epoch(workers, 0)
    read_epoch(reader, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_workers_their_settings_have_no_effect(dataset: sk.EEGWindowDataset) -> None:
    before = set(multiprocessing.active_children())
    for persistent in (True, False):
        loader = TorchLoader(dataset, 50, num_workers=0, persistent_workers=persistent, prefetch_factor=5, timeout_s=1)
        assert len(list(loader)) == len(loader)
    assert set(multiprocessing.active_children()) == before


@pytest.mark.slow
def test_spawned_workers_read_an_object_store_and_end_with_the_epoch(remote_store: str) -> None:
    before = set(multiprocessing.active_children())
    dataset = sk.EEGWindowDataset(remote_store, **WINDOW)
    loader = TorchLoader(dataset, 50, num_workers=1, persistent_workers=False)
    reader = TorchLoader(dataset, 50, num_workers=0)
    for epoch in range(2):
        assert same(read_epoch(loader, epoch), read_epoch(reader, epoch))
        assert loader.num_workers == 1
        assert set(multiprocessing.active_children()) == before
