"""Batches when worker processes hang, die, or cannot read."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch.utils.data import _utils
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

import seizurekit as sk
import watched_datasets
from seizurekit.errors import CacheError
from seizurekit.loading import workers
from seizurekit.loading.torch_loader import TorchLoader

pytestmark = pytest.mark.slow

WINDOW: dict[str, Any] = {"window": 20.0, "stride": 10.0}
Epoch = list[tuple[list[int], torch.Tensor, torch.Tensor]]
MESSAGE = "continuing with num_workers=0, pin_memory=false"


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "GRACE_S", 0.3)
    # Torch looks every 5 s whether the workers are alive.
    monkeypatch.setattr(_MultiProcessingDataLoaderIter._try_get_data, "__defaults__", (0.1,))
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.1)


def epoch_of(loader: TorchLoader) -> Epoch:
    return [(loader.current.tolist(), x, y) for x, y in loader]


def same(a: Epoch, b: Epoch) -> bool:
    return len(a) == len(b) and all(
        p[0] == q[0] and torch.equal(p[1], q[1]) and torch.equal(p[2], q[2]) for p, q in zip(a, b, strict=True)
    )


def without_workers(store: Path, epochs: int) -> list[Epoch]:
    loader = TorchLoader(sk.EEGWindowDataset(store, **WINDOW), 6, seed=1, num_workers=0)
    return [epoch_of(loader) for _ in range(epochs)]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.usefixtures("forked_workers", "short_waits")
@pytest.mark.parametrize(
    ("kind", "limit_s", "reason"),
    [
        ("HangingFromTheStart", 1.5, "no batch arrived within 1.5 s; all workers are alive, so one of them hangs"),
        ("Hanging", 1.5, "no batch arrived within 1.5 s; all workers are alive, so one of them hangs"),
        ("Stopped", 1.5, "no batch arrived within 1.5 s"),
        ("Killed", 60, "1 of 1 workers died, by SIGKILL, as when memory runs out"),
        ("BusError", 60, r"1 of 1 workers died, by SIGBUS; /dev/shm has \d+ MB left"),
        ("WithoutMemory", 60, r"a worker could not read .* shared memory.*; /dev/shm has \d+ MB left"),
    ],
)
def test_workers_that_fail_are_terminated_with_one_warning_and_no_batch_is_lost_or_repeated(
    small_store: Path, caplog: pytest.LogCaptureFixture, kind: str, limit_s: float, reason: str
) -> None:
    dataset = getattr(watched_datasets, kind)(small_store, **WINDOW)
    loader = TorchLoader(dataset, 6, seed=1, num_workers=1, timeout_s=limit_s, startup_s=limit_s)
    for expected in without_workers(small_store, 2):
        assert same(epoch_of(loader), expected)
    (warning,) = warnings_of(caplog)
    assert MESSAGE in warning
    assert re.search(reason, warning), warning
    assert loader.num_workers == 0
    assert not multiprocessing.active_children()


@pytest.mark.usefixtures("forked_workers")
def test_a_worker_that_is_killed_while_it_reads_is_noticed_when_torch_checks_its_workers(
    small_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Torch checks them every 5 s, which `short_waits` shortens in other tests."""
    loader = TorchLoader(watched_datasets.Killed(small_store, **WINDOW), 6, seed=1, num_workers=1)
    assert same(epoch_of(loader), without_workers(small_store, 1)[0])
    (warning,) = warnings_of(caplog)
    assert "1 of 1 workers died, by SIGKILL" in warning
    assert not multiprocessing.active_children()


@pytest.mark.usefixtures("forked_workers", "short_waits")
def test_the_limit_of_the_first_batch_is_not_that_of_the_second(
    small_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = watched_datasets.Hanging(small_store, **WINDOW)
    loader = TorchLoader(dataset, 6, seed=1, num_workers=1, timeout_s=1.0, startup_s=30.0)
    assert same(epoch_of(loader), without_workers(small_store, 1)[0])
    assert "no batch arrived within 1 s" in warnings_of(caplog)[0]


@pytest.mark.usefixtures("short_waits")
def test_a_worker_that_does_not_start_in_time_is_terminated(
    small_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = sk.EEGWindowDataset(small_store, **WINDOW)
    loader = TorchLoader(dataset, 6, seed=1, num_workers=1, timeout_s=0.01, startup_s=0.05)  # a spawned one takes 1 s
    assert same(epoch_of(loader), without_workers(small_store, 1)[0])
    (warning,) = warnings_of(caplog)
    assert "no batch arrived within 0.05 s" in warning
    assert not multiprocessing.active_children()


@pytest.mark.usefixtures("forked_workers", "short_waits")
def test_a_worker_killed_between_two_batches_does_not_disturb_the_training_step(
    small_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = sk.EEGWindowDataset(small_store, **WINDOW)
    loader = TorchLoader(dataset, 6, seed=1, num_workers=1, prefetch_factor=1)
    epochs = []
    for epoch in range(2):
        found: Epoch = []
        for x, y in loader:
            found.append((loader.current.tolist(), x, y))
            if epoch == 1 and len(found) == 2:  # a persistent worker
                (worker,) = multiprocessing.active_children()
                os.kill(worker.pid or 0, signal.SIGKILL)
                time.sleep(0.5)  # the step, during which the signal of the worker's death arrives
        epochs.append(found)
    assert all(same(a, b) for a, b in zip(epochs, without_workers(small_store, 2), strict=True))
    (warning,) = warnings_of(caplog)
    assert "1 of 1 workers died, by SIGKILL, as when memory runs out" in warning


@pytest.mark.usefixtures("forked_workers", "short_waits")
def test_only_the_loaders_own_workers_are_terminated_also_if_they_ignore_sigterm(
    small_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = watched_datasets.HangingLater(small_store, **WINDOW)
    loader = TorchLoader(dataset, 6, seed=1, num_workers=2, timeout_s=1.5)
    (expected,) = without_workers(small_store, 1)
    bystander = None
    found: Epoch = []
    for x, y in loader:
        found.append((loader.current.tolist(), x, y))
        if bystander is None:
            bystander = multiprocessing.get_context("forkserver").Process(target=time.sleep, args=(100,))
            bystander.start()
    assert same(found, expected)
    assert loader.num_workers == 0
    (warning,) = warnings_of(caplog)
    assert "no batch arrived within 1.5 s" in warning
    assert bystander is not None
    assert multiprocessing.active_children() == [bystander]
    bystander.kill()
    bystander.join()


@pytest.mark.usefixtures("forked_workers", "short_waits")
def test_any_exception_of_the_dataset_is_raised(small_store: Path, caplog: pytest.LogCaptureFixture) -> None:
    loader = TorchLoader(watched_datasets.Unreadable(small_store, **WINDOW), 6, num_workers=1)
    with pytest.raises(RuntimeError, match=r"^no such data$"):
        list(loader)
    assert loader.num_workers == 1
    assert warnings_of(caplog) == []
    assert not multiprocessing.active_children()


@pytest.mark.usefixtures("forked_workers", "short_waits")
def test_an_error_in_the_data_is_raised_and_is_the_same_as_without_workers(
    small_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = shutil.copytree(small_store, tmp_path / "cache")
    (shard,) = (copy / "train" / "signal" / "c" / "0").iterdir()
    data = bytearray(shard.read_bytes())
    data[1000] ^= 1
    shard.write_bytes(data)
    messages = []
    for number in (0, 1):
        loader = TorchLoader(sk.EEGWindowDataset(copy, **WINDOW), 1000, num_workers=number)
        with pytest.raises(CacheError, match="checksum") as error:
            list(loader)
        messages.append(str(error.value))
        assert loader.num_workers == number
    assert messages[0] == messages[1]
    assert "\n" not in messages[0]
    assert warnings_of(caplog) == []
    assert not multiprocessing.active_children()


def test_a_script_without_a_guard_trains_once_and_is_warned(small_store: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import seizurekit as sk
            from seizurekit.loading.torch_loader import TorchLoader

            dataset = sk.EEGWindowDataset({str(small_store)!r}, window=20.0, stride=0.01)  # a long list of windows
            for i, batch in enumerate(TorchLoader(dataset, 6, num_workers=1)):
                if i == 3:
                    break
            print("trained")
            """
        )
    )
    process = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout == "trained\n"
    assert MESSAGE in process.stderr
    assert "__main__" in process.stderr


@pytest.mark.usefixtures("forked_workers", "short_waits")
def test_nothing_is_left_after_many_loaders(small_store: Path) -> None:
    dataset = sk.EEGWindowDataset(small_store, **WINDOW)
    here = psutil.Process()

    def left() -> tuple[int, int, int]:
        return len(here.children(recursive=True)), here.num_threads(), here.num_fds()

    def fail_in_the_training_step(loader: TorchLoader) -> None:
        for _ in loader:
            raise ZeroDivisionError

    resource_tracker.ensure_running()
    list(TorchLoader(dataset, 50, num_workers=1, persistent_workers=False))
    before = left()
    for i in range(6):
        loader = TorchLoader(dataset, 20, seed=i, num_workers=1, persistent_workers=i % 2 == 0)
        if i % 3 == 0:
            list(loader)
        elif i % 3 == 1:
            next(iter(loader))
        else:
            with pytest.raises(ZeroDivisionError):
                fail_in_the_training_step(loader)
        if i % 4 == 0:
            loader.close()
    del loader
    gc.collect()
    deadline = time.monotonic() + 30  # threads that feed queues end shortly after their workers
    while any(now > then for now, then in zip(left(), before, strict=True)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(now <= then for now, then in zip(left(), before, strict=True)), (before, left())
