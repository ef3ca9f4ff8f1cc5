"""Arrays that are used again once nobody holds them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


class Buffers:
    """Arrays of one shape, each given out again when everything that was made of it is gone.

    A fresh array of a batch's size costs more than filling it, since the system clears its pages. An array that the
    caller still holds, as a tensor or a view of one, is never given out again: a new one takes its place.

    Args:
        make: makes an array.
        kept: arrays that wait to be used again; more than these are let go.
    """

    def __init__(self, make: Callable[[], Array], kept: int) -> None:
        self._make, self._kept = make, kept
        self._arrays: list[Array] = []
        self._lock = threading.Lock()

    def take(self) -> Array:
        """An array that nobody holds; its content is whatever it was."""
        with self._lock:
            for i in range(len(self._arrays)):
                # Held by the list and by getrefcount's argument: by nothing else.
                if sys.getrefcount(self._arrays[i]) == 2:
                    return self._arrays[i]
            array = self._make()
            if len(self._arrays) >= self._kept:
                self._arrays.pop(0)
            self._arrays.append(array)
            return array
