"""How busy the GPU is while something runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gpu_utilisation() -> Iterator[list[float]]:
    """Utilisation of the first GPU while the block runs, in per cent; empty where there is none."""
    found: list[float] = []
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    except Exception:  # no package, no driver, no GPU: all are the same answer
        yield found
        return
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(0.1):
            found.append(float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()
        pynvml.nvmlShutdown()
