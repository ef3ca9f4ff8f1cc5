"""Copies of batches from host memory to a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seizurekit.ops.dequantize import dequantize

_TORCH = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int16": torch.int16,
}


class ToDevice:
    """Copies batches to a device, on a CUDA stream of its own.

    Args:
        device: destination; None leaves batches in host memory.
        dtype: dtype of a batch on the device.
        step: value of one unit of int16.
        dequantize: send int16, and convert it to `dtype` on the device.

    Attributes:
        is_cuda: whether host arrays should be pinned.
        host_dtype: dtype in which batches are read into host memory.
    """

    def __init__(
        self, device: str | torch.device | None, dtype: np.dtype[Any], step: float, *, dequantize: bool
    ) -> None:
        self._device = None if device is None else torch.device(device)
        self._dtype, self._step = _TORCH[dtype.name], step
        self._dequantize = dequantize and self._dtype != torch.int16
        self.host_dtype = np.dtype(np.int16) if self._dequantize else dtype
        self.is_cuda = self._device is not None and self._device.type == "cuda"
        stream: Any = torch.cuda.Stream
        self._stream: torch.cuda.Stream | None = stream(self._device) if self.is_cuda else None

    def send(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The batch on the device, once the copy is complete. A reading thread calls this, and waits for the copy."""
        if self._stream is None:
            return self._move(x), y if self._device is None else y.to(self._device)
        with torch.cuda.stream(self._stream):
            moved = self._move(x), y.to(self._device, non_blocking=True)
        self._stream.synchronize()  # the host arrays may be refilled as soon as they are dropped
        return moved

    def hand_over(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The batch for the consumer's stream: its memory is not reused before the work of that stream is done."""
        if self._stream is not None:
            stream = torch.cuda.current_stream(self._device)
            x.record_stream(stream)
            y.record_stream(stream)
        return x, y

    def _move(self, x: Tensor) -> Tensor:
        x = x if self._device is None else x.to(self._device, non_blocking=self.is_cuda)
        return dequantize(x, self._step, self._dtype) if self._dequantize else x


def host_array(shape: tuple[int, ...], dtype: np.dtype[Any], pinned: bool) -> npt.NDArray[Any]:
    """An uninitialized array in host memory, pinned if a GPU copies from it."""
    if not pinned:
        return np.empty(shape, dtype)
    torch_dtype = {1: torch.uint8, 2: torch.int16, 4: torch.float32}[dtype.itemsize]
    array: npt.NDArray[Any] = torch.empty(shape, dtype=torch_dtype, pin_memory=True).numpy()
    return array.view(dtype)


def as_tensor(array: npt.NDArray[Any]) -> Tensor:
    """The array as a tensor over the same memory, including bfloat16, which torch does not take from NumPy."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
