"""Arrays whose memory is reused once nothing refers to them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


class Buffers:
    """Arrays of one shape, each reused once everything that refers to it is gone.

    Allocating an array of a batch's size takes longer than filling it, because the system clears its pages. An array
    to which the caller still refers, through a tensor or a view, is never reused; a new one is made instead.

    Args:
        make: makes an array.
        kept: maximum number of arrays that are kept for reuse.
    """

    def __init__(self, make: Callable[[], Array], kept: int) -> None:
        self._make, self._kept = make, kept
        self._arrays: list[Array] = []
        self._lock = threading.Lock()

    def take(self) -> Array:
        """An array to which nothing refers, with undefined content."""
        if not _counts_references():
            return self._make()
        with self._lock:
            for i in range(len(self._arrays)):
                # The two references are the list's and that of getrefcount's argument.
                if sys.getrefcount(self._arrays[i]) == 2:
                    return self._arrays[i]
            array = self._make()
            if len(self._arrays) >= self._kept:
                self._arrays.pop(0)
            self._arrays.append(array)
            return array


def _counts_references() -> bool:
    """Whether `sys.getrefcount` is exact.

    Without the GIL it is not: CPython then keeps separate counts for the owning thread and for the others, and defers
    some of them, so a count of 2 does not prove that an array is unused.
    """
    is_gil_enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    return is_gil_enabled()
