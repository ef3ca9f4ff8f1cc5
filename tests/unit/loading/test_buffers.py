"""Reuse of the memory of batches."""

from __future__ import annotations

import sys
from unittest.mock import Mock

import numpy as np
import pytest

from seizurekit.loading.buffers import Buffers


@pytest.mark.parametrize(("gil", "arrays"), [(True, 2), (False, 3)])
def test_memory_is_reused_only_if_reference_counts_are_exact(
    monkeypatch: pytest.MonkeyPatch, gil: bool, arrays: int
) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: gil, raising=False)
    make = Mock(side_effect=lambda: np.empty(8))
    buffers = Buffers(make, kept=4)
    held = buffers.take()
    buffers.take()  # dropped at once, so that the next one may reuse it
    assert buffers.take() is not held
    assert make.call_count == arrays


def test_a_view_keeps_its_memory() -> None:
    buffers = Buffers(lambda: np.empty(8), kept=4)
    view = buffers.take()[2:]
    assert not np.shares_memory(buffers.take(), view)


def test_at_most_the_requested_number_of_arrays_is_kept() -> None:
    make = Mock(side_effect=lambda: np.empty(8))
    buffers = Buffers(make, kept=2)
    held = [buffers.take() for _ in range(3)]
    assert len({id(array) for array in held}) == make.call_count == 3
    del held
    for _ in range(3):
        buffers.take()
    assert make.call_count == 3
