"""A loader over a faulty object store: every batch arrives, and equals that of a healthy store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.servers.s3 import FAULT_KINDS, Faults, S3Server, serve_folder, set_environment

import seizurekit as sk

BATCHES = 1000


@pytest.fixture
def faulty_server(small_store: Path) -> Iterator[S3Server]:
    faults = Faults(share=0.05, kinds=FAULT_KINDS, delay_s=0.3, seed=1)
    with serve_folder(small_store.parent, faults=faults) as server, set_environment(server.environment):
        yield server


@pytest.mark.slow
def test_a_thousand_batches_arrive_through_every_kind_of_fault(small_store: Path, faulty_server: S3Server) -> None:
    healthy = sk.open_cache(small_store).windows(window=4, stride=1)
    windows = sk.open_cache(faulty_server.url(small_store.name)).windows(window=4, stride=1)
    expected = sk.WindowLoader(healthy, batch_size=2, balanced=False, seed=3)
    loader = sk.WindowLoader(windows, batch_size=2, balanced=False, seed=3, prefetch=32)
    arrived = 0
    while arrived < BATCHES:
        for (x, y), (x_expected, y_expected) in zip(loader, expected, strict=True):
            assert torch.equal(x, x_expected)
            assert torch.equal(y, y_expected)
            arrived += 1
    counts = faulty_server.counts()
    assert counts["requests"] >= BATCHES
    for kind in FAULT_KINDS:
        assert counts[kind] > 0, counts
    assert loader.skipped == 0
    np.testing.assert_array_equal(loader.indices, expected.indices)
