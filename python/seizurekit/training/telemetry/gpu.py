"""How busy the GPU is, asked of its driver (NVML) in a thread, so that nothing waits for the answer."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from seizurekit.training.telemetry.records import GpuLoad

if TYPE_CHECKING:
    import torch


class GpuMeter:
    """Watches one GPU while the block runs; a context manager.

    Without nvidia-ml-py, or where the driver does not tell, only the memory that torch holds is known.

    Attributes:
        utilisation: every sample since the last `load`, per cent.
    """

    def __init__(self, index: int | None, every_s: float = 1.0) -> None:
        """Starts nothing before the block is entered.

        Args:
            index: the GPU's number among those that this process sees; None where nothing runs on one.
            every_s: seconds from one sample to the next.
        """
        self.utilisation: list[float] = []
        self._index = index
        self._every_s = every_s
        self._nvml: tuple[Any, Any] | None = None
        self._memory_gb: float | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, device: torch.device) -> GpuMeter:
        """The meter of the device that a model runs on."""
        return cls((device.index or 0) if device.type == "cuda" else None)

    def load(self) -> GpuLoad | None:
        """The mean utilisation since the last call, and the memory taken now; None without a GPU."""
        found, self.utilisation = self.utilisation, []
        memory_gb = self._memory_gb if self._memory_gb is not None else self._torch_gb()
        if memory_gb is None:
            return None
        return GpuLoad(sum(found) / len(found) if found else None, memory_gb)

    def __enter__(self) -> Self:
        self._nvml = _nvml_of(self._index)
        if self._nvml is not None:
            self._thread = threading.Thread(target=self._run, args=self._nvml, name="gpu meter", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None and self._nvml is not None:
            self._thread.join()
            self._nvml[0].nvmlShutdown()

    def _run(self, nvml: Any, handle: Any) -> None:
        asked: dict[str, Callable[[], None]] = {"memory": lambda: self._ask_memory(nvml, handle)}
        asked["utilisation"] = lambda: self._ask_utilisation(nvml, handle)
        while asked:
            for name, ask in list(asked.items()):
                try:
                    ask()
                except (
                    nvml.NVMLError
                ):  # a part of a GPU (MIG) has no utilisation; what the driver does not tell is left out
                    del asked[name]
            if self._stop.wait(self._every_s):
                return

    def _ask_memory(self, nvml: Any, handle: Any) -> None:
        self._memory_gb = nvml.nvmlDeviceGetMemoryInfo(handle).used / 1e9

    def _ask_utilisation(self, nvml: Any, handle: Any) -> None:
        self.utilisation.append(float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu))

    def _torch_gb(self) -> float | None:
        torch = sys.modules.get("torch")  # what runs on a GPU has imported it
        if self._index is None or torch is None or not torch.cuda.is_available():
            return None
        return float(torch.cuda.memory_reserved(self._index)) / 1e9


def _nvml_of(index: int | None) -> tuple[Any, Any] | None:
    """NVML, initialised, and its handle of the GPU; None where there is no package, driver or GPU."""
    if index is None:
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return pynvml, _handle(pynvml, index)
    except pynvml.NVMLError:
        pynvml.nvmlShutdown()
        return None


def _handle(nvml: Any, index: int) -> Any:
    """By what torch knows of the GPU: CUDA_VISIBLE_DEVICES changes torch's numbers and not NVML's."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        uuid = getattr(torch.cuda.get_device_properties(index), "uuid", None)  # torch 2.4 and newer
        if uuid is not None:
            return nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    return nvml.nvmlDeviceGetHandleByIndex(index)
