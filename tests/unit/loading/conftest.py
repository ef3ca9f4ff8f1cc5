"""Fast worker processes for tests of torch's DataLoader."""

from __future__ import annotations

import multiprocessing

import pytest

from seizurekit.loading import torch_loader


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers forked from a server that has imported torch: a spawned worker takes seconds for that.

    Tests of what happens to running workers use this fixture; others show that workers can be spawned.
    """
    multiprocessing.set_forkserver_preload(["pytest", "torch", "seizurekit.loading.torch_loader"])
    first = multiprocessing.get_context("forkserver").Process(target=int)  # waits until the server is ready
    first.start()
    first.join()
    monkeypatch.setattr(torch_loader, "START_METHOD", "forkserver")
