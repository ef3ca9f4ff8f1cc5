"""The way of a batch from the host's memory to a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seizurekit.kernels.dequantize import dequantize

_TORCH = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int16": torch.int16,
}


class ToDevice:
    """Sends batches to a device on a stream of its own.

    Args:
        device: where to; None for the host's memory.
        dtype: of the batch when it has arrived.
        step: value of one unit of int16.
        dequantize: send int16, and make `dtype` of it on the device.

    Attributes:
        is_cuda: whether arrays that are sent should be pinned.
        read_as: what batches are to be read as.
    """

    def __init__(
        self, device: str | torch.device | None, dtype: np.dtype[Any], step: float, *, dequantize: bool
    ) -> None:
        self._device = None if device is None else torch.device(device)
        self._dtype, self._step = _TORCH[dtype.name], step
        self._dequantize = dequantize and self._dtype != torch.int16
        self.read_as = np.dtype(np.int16) if self._dequantize else dtype
        self.is_cuda = self._device is not None and self._device.type == "cuda"
        stream: Any = torch.cuda.Stream
        self._stream: torch.cuda.Stream | None = stream(self._device) if self.is_cuda else None

    def sent(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The batch on the device, complete. Called from a reading thread, which waits for the copy."""
        if self._stream is None:
            return self._on_device(x), y if self._device is None else y.to(self._device)
        with torch.cuda.stream(self._stream):
            arrived = self._on_device(x), y.to(self._device, non_blocking=True)
        self._stream.synchronize()  # the host's arrays may be filled again as soon as they are dropped
        return arrived

    def handed_over(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The batch for the consumer's stream, before the end of whose work its memory is not used again."""
        if self._stream is not None:
            stream = torch.cuda.current_stream(self._device)
            x.record_stream(stream)
            y.record_stream(stream)
        return x, y

    def _on_device(self, x: Tensor) -> Tensor:
        x = x if self._device is None else x.to(self._device, non_blocking=self.is_cuda)
        arrived: Tensor = dequantize(x, self._step, self._dtype) if self._dequantize else x
        return arrived


def host_array(shape: tuple[int, ...], dtype: np.dtype[Any], pinned: bool) -> npt.NDArray[Any]:
    """An array in the host's memory, pinned where a GPU is to copy from it."""
    if not pinned:
        return np.empty(shape, dtype)
    of_size = {1: torch.uint8, 2: torch.int16, 4: torch.float32}[dtype.itemsize]
    found: npt.NDArray[Any] = torch.empty(shape, dtype=of_size, pin_memory=True).numpy()
    return found.view(dtype)


def tensor_of(array: npt.NDArray[Any]) -> Tensor:
    """The array as a tensor over the same memory; bfloat16, which torch does not take from NumPy, too."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
