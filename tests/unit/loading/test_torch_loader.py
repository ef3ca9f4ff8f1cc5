"""Batches by torch's DataLoader, and what becomes of them when its workers fail."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import re
import threading
import time
from pathlib import Path

import pytest
import torch

import seizurekit as sk
import watched_datasets
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
    for _ in range(3):
        assert same(epoch_of(loader), epoch_of(wanted))
    assert loader.num_workers == 2
    loader.close()
    gc.collect()
    assert not multiprocessing.active_children()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "told"),
    [("Hanging", "timed out after 4"), ("HangingLater", "timed out after 4"), ("Killed", "killed by signal|exited")],
)
def test_workers_that_fail_are_ended_told_of_once_and_nothing_is_lost(
    small_store: Path, caplog: pytest.LogCaptureFixture, kind: str, told: str
) -> None:
    dataset = getattr(watched_datasets, kind)(small_store, **WINDOW)
    wanted = TorchLoader(sk.EEGWindowDataset(small_store, **WINDOW), 6, seed=1, num_workers=0)
    timeout = 60 if kind == "Killed" else 4
    loader = TorchLoader(dataset, 6, seed=1, num_workers=1, timeout_s=timeout)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert same(epoch_of(loader), epoch_of(wanted))
    warnings = [record.getMessage() for record in caplog.records if "workers were ended" in record.getMessage()]
    assert len(warnings) == 1
    assert "loading goes on with num_workers=0, pin_memory=false" in warnings[0]
    assert re.search(told, warnings[0]), warnings[0]
    assert loader.num_workers == 0
    assert not multiprocessing.active_children()


def test_an_exception_in_the_data_is_raised_and_not_hidden(small_store: Path) -> None:
    loader = TorchLoader(watched_datasets.Raising(small_store, **WINDOW), 6, num_workers=1)
    with pytest.raises(RuntimeError, match="no such data"):
        list(loader)
    loader.close()
    assert not multiprocessing.active_children()


def test_nothing_is_left_after_many_loaders(dataset: sk.EEGWindowDataset) -> None:
    list(TorchLoader(dataset, 50, num_workers=1, persistent_workers=False))
    gc.collect()
    threads, files = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    for seed in range(3):
        loader = TorchLoader(dataset, 50, seed=seed, num_workers=1, persistent_workers=seed % 2 == 0)
        if seed:
            list(loader)
        else:
            next(iter(loader))
        loader.close()
    del loader
    gc.collect()
    assert not multiprocessing.active_children()
    deadline = time.monotonic() + 20  # threads that feed queues end a moment after what they fed
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= threads, threading.enumerate()
    assert len(list(Path("/proc/self/fd").iterdir())) <= files


def test_a_remote_store_is_read_by_spawned_workers(remote_store: str) -> None:
    dataset = sk.EEGWindowDataset(remote_store, **WINDOW)
    found = TorchLoader(dataset, 50, num_workers=1, persistent_workers=False)
    wanted = TorchLoader(dataset, 50, num_workers=0)
    assert same(epoch_of(found), epoch_of(wanted))
