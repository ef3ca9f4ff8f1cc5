"""An image of CUDA kernels, loaded and started through the driver's own functions by ctypes.

It works in the primary context of each device, which is the one that torch works in.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from seizurekit.kernels.causal_conv1d import cuda_nvrtc
from seizurekit.kernels.causal_conv1d.cuda_arguments import KERNELS, Arguments

LIBRARY = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*"""
_REGISTERS = 4
"""CU_FUNC_ATTRIBUTE_NUM_REGS"""


class Driver:
    """Kernels compiled for each device that they are loaded onto.

    Args:
        library: the driver's functions, as ctypes has them.
        image_for: gives the kernels for a compute capability, 90 for 9.0.
    """

    def __init__(self, library: ctypes.CDLL, image_for: Callable[[int], bytes]) -> None:
        self._library, self._image_for = library, image_for
        self._contexts: dict[int, ctypes.c_void_p] = {}
        self._functions: dict[tuple[int, str], ctypes.c_void_p] = {}
        self._check(library.cuInit(0))

    def load_onto(self, device: int) -> None:
        """See `seizurekit.kernels.causal_conv1d.cuda_arguments.Launcher`."""
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
                # Which also loads one that the driver would load when it is first started.
                self._check(self._library.cuFuncGetAttribute(ctypes.byref(registers), _REGISTERS, function))
                self._functions[device, name] = function

    def launch(self, name: str, arguments: Arguments, blocks: int, threads: int, device: int, stream: int) -> None:
        """See `seizurekit.kernels.causal_conv1d.cuda_arguments.Launcher`."""
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
            words = ctypes.c_char_p()
            self._library.cuGetErrorString(error, ctypes.byref(words))
            said = f"error {error}" if words.value is None else words.value.decode()
            raise RuntimeError(f"CUDA driver: {said}")


@cache
def driver() -> Driver:
    """The machine's driver, with kernels that NVRTC makes.

    Raises:
        OSError: there is no driver.
        RuntimeError: it does not start, in its own words.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise OSError(f"no NVIDIA driver: {error}") from None
    return Driver(library, cuda_nvrtc.image)
