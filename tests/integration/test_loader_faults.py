"""A loader over an object store that fails: everything arrives, and equals what a sound store gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from bench.servers.slow_proxy import Faults, Proxy, slow_proxy

import seizurekit as sk

BATCHES = 1000


@pytest.fixture
def broken(remote_store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    upstream = urlsplit(os.environ["AWS_ENDPOINT_URL"]).port
    assert upstream is not None
    faults = Faults(share=0.05, kinds=("500", "503", "cut", "short", "reset", "delay"), delay_s=1.5, seed=1)
    with slow_proxy(upstream, faults=faults) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


@pytest.mark.slow
def test_a_thousand_batches_arrive_through_every_kind_of_fault(
    small_store: Path, remote_store: str, broken: Proxy
) -> None:
    sound = sk.open_cache(small_store).windows(window=4, stride=1)
    windows = sk.open_cache(remote_store).windows(window=4, stride=1)
    wanted = sk.WindowLoader(sound, batch_size=2, balanced=False, seed=3)
    loader = sk.WindowLoader(windows, batch_size=2, balanced=False, seed=3, prefetch=32)
    arrived = 0
    while arrived < BATCHES:
        for (x, y), (x_wanted, y_wanted) in zip(loader, wanted, strict=True):
            assert torch.equal(x, x_wanted)
            assert torch.equal(y, y_wanted)
            arrived += 1
    counts = broken.counts()
    assert counts["requests"] >= BATCHES
    for kind in ("500", "503", "cut", "short", "reset", "delay"):
        assert counts[kind] > 0, counts
    assert loader.skipped == 0
    np.testing.assert_array_equal(loader.indices, wanted.indices)
