"""Loads and launches compiled CUDA kernels through the functions of the CUDA driver, by ctypes.

It uses the primary context of each device, as torch does.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from seizurekit.ops.causal_conv1d import cuda_nvrtc
from seizurekit.ops.causal_conv1d.cuda_arguments import KERNELS, Arguments

LIBRARY = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*"""
_REGISTERS = 4
"""CU_FUNC_ATTRIBUTE_NUM_REGS"""


class Driver:
    """The CUDA driver, and the kernels loaded onto each device.

    Args:
        library: the driver's shared library.
        image_for: returns the compiled kernels for a compute capability, e.g. 90 for 9.0.

    Raises:
        RuntimeError: the driver does not start; has the driver's message.
    """

    def __init__(self, library: ctypes.CDLL, image_for: Callable[[int], bytes]) -> None:
        self._library, self._image_for = library, image_for
        self._contexts: dict[int, ctypes.c_void_p] = {}
        self._functions: dict[tuple[int, str], ctypes.c_void_p] = {}
        self._check(library.cuInit(0))

    def load_onto(self, device: int) -> None:
        """Loads every kernel onto a device, so none is loaded while a CUDA graph is captured.

        Raises:
            OSError: a library that compiles the kernels is not installed.
            RuntimeError: the kernels cannot be compiled or loaded; has the message of NVRTC or the driver.
        """
        handle, context, module = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self._check(self._library.cuDeviceGet(ctypes.byref(handle), device))
        image = self._image_for(10 * self._attribute(_MAJOR, handle) + self._attribute(_MINOR, handle))
        self._check(self._library.cuDevicePrimaryCtxRetain(ctypes.byref(context), handle))
        self._contexts[device] = context
        with self._current(device):
            self._check(self._library.cuModuleLoadData(ctypes.byref(module), image))
            for name in KERNELS:
                function, registers = ctypes.c_void_p(), ctypes.c_int()
                self._check(self._library.cuModuleGetFunction(ctypes.byref(function), module, name.encode()))
                # Forces the driver to load the function now instead of at its first launch.
                self._check(self._library.cuFuncGetAttribute(ctypes.byref(registers), _REGISTERS, function))
                self._functions[device, name] = function

    def launch(self, name: str, arguments: Arguments, blocks: int, threads: int, device: int, stream: int) -> None:
        """Launches a kernel on a stream of a device; raises RuntimeError with the driver's message."""
        parameters = (ctypes.c_void_p * 1)(ctypes.addressof(arguments))
        grid, block = (blocks, 1, 1), (threads, 1, 1)
        function = self._functions[device, name]
        with self._current(device):
            self._check(
                self._library.cuLaunchKernel(
                    function, *grid, *block, 0, ctypes.c_void_p(stream), parameters, ctypes.c_void_p()
                )
            )

    @contextmanager
    def _current(self, device: int) -> Iterator[None]:
        self._check(self._library.cuCtxPushCurrent_v2(self._contexts[device]))
        try:
            yield
        finally:
            before = ctypes.c_void_p()
            self._check(self._library.cuCtxPopCurrent_v2(ctypes.byref(before)))

    def _attribute(self, attribute: int, handle: ctypes.c_int) -> int:
        value = ctypes.c_int()
        self._check(self._library.cuDeviceGetAttribute(ctypes.byref(value), attribute, handle))
        return value.value

    def _check(self, error: int) -> None:
        if error:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(error, ctypes.byref(text))
            message = f"error {error}" if text.value is None else text.value.decode()
            raise RuntimeError(f"CUDA driver: {message}")


@cache
def driver() -> Driver:
    """The driver of this machine, with kernels compiled by NVRTC.

    Raises:
        OSError: no driver is installed.
        RuntimeError: the driver does not start; has the driver's message.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise OSError(f"no NVIDIA driver: {error}") from None
    return Driver(library, cuda_nvrtc.image)
