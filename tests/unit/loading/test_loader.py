"""WindowLoader: the right batches, and no threads, files or memory left behind."""

from __future__ import annotations

import gc
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import wait
from functools import cache
from pathlib import Path
from typing import Any, Literal
from unittest.mock import Mock

import numpy as np
import pytest
import torch

import seizurekit as sk
from seizurekit.cache.windows import Windows
from seizurekit.errors import CacheError
from seizurekit.loading.window_set import balanced_choice, balanced_set


@pytest.fixture(scope="module")
def windows(small_store: Path) -> Windows:
    return sk.open_cache(small_store).windows(window=20, stride=4)


@pytest.fixture(params=["local", "s3"])
def any_windows(request: pytest.FixtureRequest) -> Windows:
    store = request.getfixturevalue({"local": "small_store", "s3": "remote_store"}[request.param])
    return sk.open_cache(store).windows(window=20, stride=4)


def indices_of(windows: Windows, x: torch.Tensor) -> list[int]:
    """Indices of the windows in a batch, found by their first samples."""
    by_content = indices_by_content(windows)
    return [by_content[row[:, :64].numpy().tobytes()] for row in x]


@cache
def indices_by_content(windows: Windows) -> dict[bytes, int]:
    whole, _ = windows.read(np.arange(len(windows)))
    found = {row[:, :64].tobytes(): index for index, row in enumerate(whole)}
    assert len(found) == len(windows)
    return found


def epoch_of(loader: sk.WindowLoader, windows: Windows) -> list[list[int]]:
    return [indices_of(windows, x) for x, _ in loader]


@pytest.mark.parametrize("shuffle", ["window", "block", None])
def test_an_epoch_has_every_window_once_with_its_mask(
    any_windows: Windows, shuffle: Literal["window", "block"] | None
) -> None:
    loader = sk.WindowLoader(any_windows, batch_size=7, balanced=False, shuffle=shuffle, seed=5)
    whole, mask = any_windows.read(np.arange(len(any_windows)))
    seen = []
    for x, y in loader:
        indices = indices_of(any_windows, x)
        np.testing.assert_array_equal(x.numpy(), whole[indices])
        np.testing.assert_array_equal(y.numpy(), mask[indices])
        seen += indices
    assert sorted(seen) == list(range(len(any_windows)))
    assert len(loader) == -(-len(any_windows) // 7)
    assert (seen == sorted(seen)) == (shuffle is None)


def test_the_order_depends_only_on_seed_and_epoch(windows: Windows) -> None:
    def orders(seed: int, **options: Any) -> list[list[list[int]]]:
        loader = sk.WindowLoader(windows, batch_size=8, balanced=False, seed=seed, **options)
        return [epoch_of(loader, windows) for _ in range(2)]

    expected = orders(1)
    assert expected[0] != expected[1]
    assert expected == orders(1, threads=1) == orders(1, threads=5, prefetch=9) == orders(1, prefetch=1)
    assert expected != orders(2)


@pytest.mark.parametrize(("world", "batch"), [(2, 8), (3, 5), (7, 16)])
def test_ranks_are_disjoint_and_have_the_same_number_of_batches(windows: Windows, world: int, batch: int) -> None:
    loaders = [
        sk.WindowLoader(windows, batch_size=batch, balanced=False, rank=rank, world_size=world) for rank in range(world)
    ]
    epochs = [epoch_of(loader, windows) for loader in loaders]
    assert {len(epoch) for epoch in epochs} == {len(loaders[0])}
    assert sorted(n for epoch in epochs for part in epoch for n in part) == list(range(len(windows)))


@pytest.mark.parametrize("world", [1, 3])
@pytest.mark.parametrize("stop", [0, 1, 4, 6])
def test_a_loaded_state_resumes_with_the_exact_next_batch(windows: Windows, world: int, stop: int) -> None:
    def make(seed: int = 9) -> sk.WindowLoader:
        return sk.WindowLoader(windows, batch_size=4, balanced=False, seed=seed, rank=world - 1, world_size=world)

    uninterrupted = make()
    expected = [epoch_of(uninterrupted, windows) for _ in range(3)]
    interrupted = make()
    list(interrupted)
    for i, _ in enumerate(interrupted):
        if i == stop:
            break
    state = json.loads(json.dumps(interrupted.state_dict()))
    resumed = make()
    resumed.load_state_dict(state)
    assert epoch_of(resumed, windows) == expected[1][stop + 1 :]
    assert epoch_of(resumed, windows) == expected[2]
    with pytest.raises(ValueError, match="seed is 9, expected 8"):
        make(8).load_state_dict(state)


def test_a_state_from_the_end_of_an_epoch_starts_the_next_one(windows: Windows) -> None:
    loader = sk.WindowLoader(windows, batch_size=4, balanced=False)
    for _ in loader:
        state = loader.state_dict()
    assert (state["epoch"], state["done"]) == (1, 0)
    resumed = sk.WindowLoader(windows, batch_size=4, balanced=False)
    resumed.load_state_dict(state)
    assert epoch_of(resumed, windows) == epoch_of(loader, windows)


def test_a_run_can_be_interrupted_twice_in_an_epoch(windows: Windows) -> None:
    expected = epoch_of(sk.WindowLoader(windows, 4, balanced=False), windows)
    state, found = sk.WindowLoader(windows, 4, balanced=False).state_dict(), []
    for _ in range(3):
        loader = sk.WindowLoader(windows, 4, balanced=False)
        loader.load_state_dict(state)
        for i, (x, _) in enumerate(loader):
            found.append(indices_of(windows, x))
            if i == 1:
                break
        state = loader.state_dict()
    assert found == expected[:6]
    assert state["done"] == 24


def test_a_state_can_be_loaded_by_another_number_of_ranks(windows: Windows) -> None:
    before = [sk.WindowLoader(windows, 4, balanced=False, rank=rank, world_size=3) for rank in range(3)]
    seen: list[int] = []
    for loader in before:
        for i, (x, _) in enumerate(loader):
            seen += indices_of(windows, x)
            if i == 2:
                break
    after = [sk.WindowLoader(windows, 4, balanced=False, rank=rank, world_size=2) for rank in range(2)]
    for loader in after:
        loader.load_state_dict(before[0].state_dict())
        seen += [n for part in epoch_of(loader, windows) for n in part]
    assert sorted(seen) == list(range(len(windows)))


def test_batches_read_early_are_dropped_when_another_epoch_follows(windows: Windows) -> None:
    loader = sk.WindowLoader(windows, 8, balanced=False, prefetch=6)
    expected = [epoch_of(loader, windows) for _ in range(4)]
    other = sk.WindowLoader(windows, 8, balanced=False, prefetch=6)
    list(other)
    other.set_epoch(1, 8)
    assert epoch_of(other, windows) == expected[1][1:]
    other.set_epoch(3)
    assert epoch_of(other, windows) == expected[3]
    other.set_epoch(0)
    next(iter(other))
    assert epoch_of(other, windows) == expected[0]
    assert in_a_child(lambda: epoch_of(other, windows) == expected[1]) == "True"
    assert epoch_of(other, windows) == expected[1]


def test_the_first_batches_of_an_epoch_are_read_during_the_one_before_and_only_once(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = sk.WindowLoader(windows, 8, balanced=False, prefetch=4)
    read = Mock(wraps=loader._read)
    monkeypatch.setattr(loader, "_read", read)
    for epoch in (1, 2):
        list(loader)
        wait(loader._early._batches)
        assert read.call_count == epoch * len(loader) + 3


def test_a_state_of_other_windows_is_rejected(windows: Windows) -> None:
    state = sk.WindowLoader(windows, balanced=False).state_dict()
    with pytest.raises(ValueError, match=r"set is .* windows"):
        sk.WindowLoader(windows, balanced=True).load_state_dict(state)
    for options in ({"shuffle": "block"}, {"shuffle": None}, {"drop_last": True}):
        with pytest.raises(ValueError, match=r"set is .* windows"):
            sk.WindowLoader(windows, balanced=False, **options).load_state_dict(state)


def test_the_balanced_set_is_that_of_the_dataset(small_store: Path, windows: Windows) -> None:
    loader = sk.WindowLoader(windows, seed=3)
    dataset = sk.BalancedSeizureDataset(small_store, window=20, stride=4, seed=3)
    np.testing.assert_array_equal(loader.indices, dataset.indices)
    np.testing.assert_array_equal(loader.indices, balanced_choice(windows.kind, np.random.default_rng(3)))
    assert sk.WindowLoader(drawn := balanced_set(windows, 3)).window_set is drawn
    share = np.mean([y.float().mean().item() for y in (windows_mask(windows, i) for i in loader.indices)])
    assert loader.seizure_ratio == pytest.approx(share)


def windows_mask(windows: Windows, index: int) -> torch.Tensor:
    return torch.from_numpy(windows.read([index])[1])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int16"])
@pytest.mark.parametrize("on_device", [False, True])
def test_samples_of_every_dtype_are_those_of_the_store(windows: Windows, dtype: str, on_device: bool) -> None:
    device = "cpu" if on_device else None
    loader = sk.WindowLoader(
        windows, 8, balanced=False, shuffle=None, dtype=dtype, device=device, dequantize_on_device=on_device
    )
    stored = torch.from_numpy(windows.read(np.arange(8))[0])
    x, _ = next(iter(loader))
    assert x.dtype == getattr(torch, dtype)
    expected = (stored * 512).to(x.dtype) if dtype == "int16" else stored.to(x.dtype)
    assert torch.equal(x, expected)


def test_a_batch_that_is_kept_is_never_overwritten(windows: Windows) -> None:
    kept = [(x, x.clone(), y, y.clone()) for x, y in sk.WindowLoader(windows, 8, balanced=False, prefetch=2)]
    assert all(torch.equal(x, then) and torch.equal(y, mask) for x, then, y, mask in kept)
    assert len({x.data_ptr() for x, *_ in kept}) == len(kept)


def test_memory_of_dropped_batches_is_reused(windows: Windows) -> None:
    loader = sk.WindowLoader(windows, 4, balanced=False, prefetch=2)
    addresses = set()
    for _ in range(4):
        for x, _y in loader:
            addresses.add(x.data_ptr())
            del x, _y
    assert len(addresses) <= 6


@pytest.mark.slow
def test_nothing_is_left_after_two_hundred_loaders_however_they_end(small_store: Path) -> None:
    windows = sk.open_cache(small_store, "dev").windows(window=20, stride=20)  # few, so that an epoch is short

    def threads() -> int:
        return sum(thread.name.startswith("WindowLoader") for thread in threading.enumerate())

    gc.collect()
    files = len(list(Path("/proc/self/fd").iterdir()))
    for i in range(200):
        loader = sk.WindowLoader(windows, 4, balanced=False, seed=i)
        if i % 4 == 0:
            list(loader)
        elif i % 4 == 1:
            next(iter(loader))
        elif i % 4 == 2:
            with pytest.raises(RuntimeError, match="in the step"):
                failing_training(loader)
        else:
            with pytest.raises(KeyboardInterrupt):
                interrupted_training(loader)
    gc.collect()
    deadline = time.monotonic() + 20  # threads that read the next epoch's first batches end after reading them
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threads() == 0
    assert len(list(Path("/proc/self/fd").iterdir())) == files


def failing_training(loader: sk.WindowLoader) -> None:
    for _ in loader:
        raise RuntimeError("in the step")


def interrupted_training(loader: sk.WindowLoader) -> None:
    for _ in loader:
        raise KeyboardInterrupt


def in_a_child(action: Callable[[], object]) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(action()).encode())
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        result = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0
    return result


def test_a_fork_in_the_middle_of_an_epoch_leaves_the_parent_iteration_intact(windows: Windows) -> None:
    loader = sk.WindowLoader(windows, 4, balanced=False, prefetch=3)
    iteration = iter(loader)
    assert isinstance(iteration, Generator)
    next(iteration)
    assert in_a_child(lambda: sum(len(x) for x, _ in loader)) == str(len(windows))
    assert in_a_child(iteration.close) == "None"
    assert sum(len(x) for x, _ in iteration) == len(windows) - 4


@pytest.fixture
def damaged(small_store: Path, tmp_path: Path) -> Windows:
    copy = shutil.copytree(small_store, tmp_path / "cache")
    shard = copy / "train" / "signal" / "c" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    return sk.open_cache(copy).windows(window=20, stride=4)


def test_an_unreadable_chunk_is_an_error_that_names_it(damaged: Windows) -> None:
    name = damaged.cache.recordings["id"][0]
    with pytest.raises(CacheError, match=rf"recording {name}: .*c/0/0: chunk 0 \(bytes 0 to \d+\): damaged"):
        list(sk.WindowLoader(damaged, balanced=False))


def test_its_windows_can_be_skipped_counted_and_reported(damaged: Windows, caplog: pytest.LogCaptureFixture) -> None:
    loader = sk.WindowLoader(damaged, 4, balanced=False, on_error="skip")
    read = sum(len(x) for x, _ in loader)
    touched = int(np.sum((damaged.recording == 0) & (damaged.start < 2560)))
    assert (read, loader.skipped) == (len(damaged) - touched, touched)
    assert f"skipped {touched} windows that could not be read" in caplog.text
    assert "chunk 0" in caplog.text


def test_a_store_that_is_deleted_is_a_clear_error(small_store: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_store, tmp_path / "cache")
    loader = sk.WindowLoader(sk.open_cache(copy).windows(window=20, stride=4), 2, balanced=False, prefetch=1)
    iteration = iter(loader)
    next(iteration)
    shutil.rmtree(copy)
    with pytest.raises(CacheError, match="missing shard"):
        list(iteration)


def test_waiting_is_counted(windows: Windows) -> None:
    loader = sk.WindowLoader(windows, 8, balanced=False)
    for _ in loader:
        time.sleep(0.001)
    assert 0 < loader.waited < 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0, expected 1 or more"),
        ({"rank": 2, "world_size": 2}, "rank is 2, expected 0 to 1"),
        ({"shuffle": "blocks"}, "shuffle is 'blocks', expected one of 'window', 'block', None"),
        ({"on_error": "ignore"}, "on_error is 'ignore'"),
        ({"dtype": "float64"}, "dtype is float64, expected float32"),
        ({"world_size": 10**6}, "expected at least one for each of 1000000 ranks"),
    ],
)
def test_arguments_out_of_range_are_named(windows: Windows, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sk.WindowLoader(windows, balanced=False, **options)
