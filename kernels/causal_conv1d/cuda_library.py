"""The shared library of our CUDA kernels: loaded by ctypes, it knows neither torch's ABI nor Python's."""

from __future__ import annotations

import ctypes
import importlib.metadata
from functools import cache
from pathlib import Path

from seizurekit.kernels.causal_conv1d.cuda_arguments import Arguments

NAME = "libseizurekit_cuda.so"


class Library:
    """The library in a file.

    Raises:
        OSError: there is none, it does not load, or it is another version's.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise FileNotFoundError(f"{path.name}: not built (no nvcc when seizurekit was installed)")
        self._library = ctypes.CDLL(str(path))
        self._library.seizurekit_error.restype = ctypes.c_char_p
        self._library.seizurekit_launch.argtypes = (
            ctypes.c_char_p,
            ctypes.POINTER(Arguments),
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_void_p,
        )
        size = int(self._library.seizurekit_arguments_size())
        if size != ctypes.sizeof(Arguments):
            raise OSError(
                f"{path.name}: of another version (arguments of {size} bytes, wanted {ctypes.sizeof(Arguments)})"
            )

    def load_onto(self, device: int) -> None:
        """See `seizurekit.kernels.causal_conv1d.cuda_arguments.Launcher`."""
        self._check(self._library.seizurekit_load(device))

    def launch(self, name: str, arguments: Arguments, blocks: int, threads: int, device: int, stream: int) -> None:
        """See `seizurekit.kernels.causal_conv1d.cuda_arguments.Launcher`."""
        self._check(
            self._library.seizurekit_launch(name.encode(), ctypes.byref(arguments), blocks, threads, device, stream)
        )

    def _check(self, error: int) -> None:
        if error:
            raise RuntimeError(f"CUDA error: {self._library.seizurekit_error(error).decode()}")


@cache
def library() -> Library:
    """The library that was built with this package."""
    return Library(path())


def path() -> Path:
    """Where the library lies: beside this file, or where the package was installed when its sources are elsewhere."""
    beside = Path(__file__).with_name(NAME)
    if beside.exists():
        return beside
    try:
        installed = importlib.metadata.distribution("seizurekit").locate_file(
            f"seizurekit/kernels/causal_conv1d/{NAME}"
        )
    except importlib.metadata.PackageNotFoundError:
        return beside
    return Path(str(installed))
