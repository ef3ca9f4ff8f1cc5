"""Utilization and memory of a GPU, sampled in a thread so that training does not wait for the driver."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import torch

from seizurekit.training.telemetry.records import GpuLoad


class GpuMeter:
    """Samples one GPU while the block runs; a context manager.

    Utilization needs nvidia-ml-py. Partitions of a GPU (MIG) report memory only.

    Args:
        index: torch's index of the GPU, or None if training does not use one.
        every_s: seconds between samples.

    Attributes:
        utilization: samples since the last `load`, in percent.
    """

    def __init__(self, index: int | None, every_s: float = 1.0) -> None:
        self.utilization: list[float] = []
        self._index = index
        self._every_s = every_s
        self._memory_gb: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gpu meter", daemon=True)

    @classmethod
    def of(cls, device: torch.device, every_s: float = 1.0) -> GpuMeter:
        """The meter of the device that a model runs on."""
        return cls((device.index or 0) if device.type == "cuda" else None, every_s)

    def load(self) -> GpuLoad | None:
        """Mean utilization since the last call, and the memory in use now; None without a GPU."""
        samples, self.utilization = self.utilization, []
        if self._memory_gb is None:
            return None
        return GpuLoad(sum(samples) / len(samples) if samples else None, self._memory_gb)

    def __enter__(self) -> Self:
        if self._index is not None and torch.cuda.is_available():
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        measures = [self._measure_memory, self._measure_utilization]
        while measures:
            for measure in tuple(measures):
                try:
                    measure()
                except Exception:  # torch passes on whatever NVML and CUDA raise
                    measures.remove(measure)
            if self._stop.wait(self._every_s):
                return

    def _measure_memory(self) -> None:
        free, total = torch.cuda.mem_get_info(self._index)
        self._memory_gb = (total - free) / 1e9

    def _measure_utilization(self) -> None:
        self.utilization.append(float(torch.cuda.utilization(self._index)))
