"""What becomes of batches when worker processes hang, die, or cannot read."""

from __future__ import annotations

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
from pathlib import Path

import psutil
import pytest
import torch

import seizurekit as sk
import watched_datasets
from seizurekit.errors import CacheError
from seizurekit.loading.torch_loader import TorchLoader

WINDOW = {"window": 20.0, "stride": 10.0}
Epoch = list[tuple[list[int], torch.Tensor, torch.Tensor]]
MESSAGE = "continuing with num_workers=0, pin_memory=false"


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "timeout", "told"),
    [
        ("Hanging", 5, "no batch came within 5 s, all workers live: one hangs"),
        ("Stopped", 5, "no batch came within 5 s"),
        ("Killed", 60, "1 of 1 workers died, by SIGKILL, as when memory runs out"),
        ("BusError", 60, r"1 of 1 workers died, by SIGBUS; /dev/shm has \d+ MB left"),
        ("WithoutMemory", 60, r"a worker could not read .* shared memory.*; /dev/shm has \d+ MB left"),
    ],
)
def test_workers_that_fail_are_ended_told_of_once_and_nothing_is_lost_or_given_twice(
    small_store: Path, caplog: pytest.LogCaptureFixture, kind: str, timeout: float, told: str
) -> None:
    dataset = getattr(watched_datasets, kind)(small_store, **WINDOW)
    loader = TorchLoader(dataset, 6, seed=1, num_workers=1, timeout_s=timeout)
    for wanted in without_workers(small_store, 2):
        assert same(epoch_of(loader), wanted)
    (warning,) = warnings_of(caplog)
    assert MESSAGE in warning
    assert re.search(told, warning), warning
    assert loader.num_workers == 0
    assert not multiprocessing.active_children()


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
            if epoch == 1 and len(found) == 2:  # a worker that stayed
                (worker,) = multiprocessing.active_children()
                os.kill(worker.pid or 0, signal.SIGKILL)
                time.sleep(0.5)  # the step, in which the signal of its end arrives
        epochs.append(found)
    assert all(same(a, b) for a, b in zip(epochs, without_workers(small_store, 2), strict=True))
    (warning,) = warnings_of(caplog)
    assert "by SIGKILL" in warning


@pytest.mark.slow
def test_a_hang_in_mid_epoch_ends_its_own_workers_alone(small_store: Path) -> None:
    dataset = watched_datasets.HangingLater(small_store, **WINDOW)
    loader = TorchLoader(dataset, 6, seed=1, num_workers=2, timeout_s=6)
    (wanted,) = without_workers(small_store, 1)
    bystander = None
    found: Epoch = []
    for x, y in loader:
        found.append((loader.current.tolist(), x, y))
        if bystander is None:
            bystander = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(100,))
            bystander.start()
    assert same(found, wanted)
    assert loader.num_workers == 0
    assert bystander is not None
    assert multiprocessing.active_children() == [bystander]
    bystander.kill()
    bystander.join()


def test_an_exception_in_the_data_is_raised_and_not_hidden(small_store: Path, caplog: pytest.LogCaptureFixture) -> None:
    loader = TorchLoader(watched_datasets.Raising(small_store, **WINDOW), 6, num_workers=1)
    with pytest.raises(RuntimeError, match=r"^no such data$"):
        list(loader)
    assert warnings_of(caplog) == []
    assert loader.num_workers == 1
    assert not multiprocessing.active_children()


def test_a_damaged_chunk_is_the_same_error_with_workers_as_without(small_store: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_store, tmp_path / "cache")
    (shard,) = (copy / "train" / "signal" / "c" / "0").iterdir()
    data = bytearray(shard.read_bytes())
    data[1000] ^= 1
    shard.write_bytes(data)
    told = []
    for workers in (0, 1):
        with pytest.raises(CacheError, match="checksum") as error:
            list(TorchLoader(sk.EEGWindowDataset(copy, **WINDOW), 1000, num_workers=workers))
        told.append(str(error.value))
    assert told[0] == told[1]
    assert "\n" not in told[0]


def test_an_exception_in_the_training_step_leaves_no_worker(small_store: Path) -> None:
    def step() -> None:
        loader = TorchLoader(sk.EEGWindowDataset(small_store, **WINDOW), 6, num_workers=1)
        for _ in loader:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as error:
        step()
    del error
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_script_without_a_guard_trains_once_and_is_told(small_store: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import seizurekit as sk
            from seizurekit.loading.torch_loader import TorchLoader

            dataset = sk.EEGWindowDataset({str(small_store)!r}, window=20.0, stride=0.01)  # many numbers to pickle
            for i, batch in enumerate(TorchLoader(dataset, 6, num_workers=1)):
                if i == 3:
                    break
            print("trained")
            """
        )
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "trained\n"
    assert MESSAGE in ended.stderr
    assert "__main__" in ended.stderr


def test_nothing_is_left_after_many_loaders(small_store: Path) -> None:
    dataset = sk.EEGWindowDataset(small_store, **WINDOW)
    here = psutil.Process()

    def left() -> tuple[int, int, int]:
        return len(here.children(recursive=True)), here.num_threads(), here.num_fds()

    list(TorchLoader(dataset, 50, num_workers=1, persistent_workers=False))
    before = left()
    for number in range(6):
        loader = TorchLoader(dataset, 20, seed=number, num_workers=1, persistent_workers=number % 2 == 0)
        if number % 4 == 0:
            list(loader)
        else:
            next(iter(loader))
        if number % 3 == 0:
            loader.close()
    del loader
    deadline = time.monotonic() + 30  # threads that feed queues end a moment after what they fed
    while any(now > then for now, then in zip(left(), before, strict=True)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(now <= then for now, then in zip(left(), before, strict=True)), (before, left())
