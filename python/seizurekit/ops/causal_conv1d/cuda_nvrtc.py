"""Compiles the CUDA kernels by NVRTC, NVIDIA's run-time compiler, for the GPU of this machine.

NVRTC comes as a library without CUDA's headers, and the kernels need none. The result is cached in the user's cache
folder, so each machine compiles once.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from seizurekit.atomic import write_atomic
from seizurekit.kernels import causal_conv1d
from seizurekit.settings import user_cache

log = logging.getLogger(__name__)
PACKAGES = ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")
"""For CUDA 13 and 12."""
_SONAMES = ("libnvrtc.so.13", "libnvrtc.so.12")
OLDEST = 80
"""Compute capability 8.0, the first with bfloat16."""
_OPTIONS = ("--std=c++17",)
_ENTRY = b'#include "cuda_kernels.cuh"\n'
_DIGEST = hashlib.sha256().digest_size


class Compiler:
    """The NVRTC in a shared library."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._check(self._library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
        return major.value, minor.value

    def architectures(self) -> list[int]:
        """The architectures it can compile for, e.g. 90 for sm_90, ascending."""
        count = ctypes.c_int()
        self._check(self._library.nvrtcGetNumSupportedArchs(ctypes.byref(count)))
        found = (ctypes.c_int * count.value)()
        self._check(self._library.nvrtcGetSupportedArchs(found))
        return sorted(found)

    def target(self, capability: int) -> str:
        """The target to compile for: the GPU's own architecture, otherwise the newest one below it, as PTX.

        Raises:
            RuntimeError: the GPU is too old for the kernels or for this NVRTC.
        """
        if capability < OLDEST:
            raise RuntimeError(f"compute capability is {capability / 10}, expected {OLDEST / 10} or newer")
        known = [architecture for architecture in self.architectures() if OLDEST <= architecture <= capability]
        if not known:
            raise RuntimeError(
                f"NVRTC {_format_version(self.version)} cannot compile for compute capability {capability / 10}"
            )
        return f"sm_{capability}" if known[-1] == capability else f"compute_{known[-1]}"

    def compile(self, target: str) -> bytes:
        """The compiled kernels: a cubin for ``sm_90``, PTX for ``compute_90``.

        Raises:
            RuntimeError: compilation fails; has the compiler's message.
        """
        sources = kernel_sources()
        names = (ctypes.c_char_p * len(sources))(*(name.encode() for name in sources))
        texts = (ctypes.c_char_p * len(sources))(*sources.values())
        program = ctypes.c_void_p()
        self._check(
            self._library.nvrtcCreateProgram(
                ctypes.byref(program), _ENTRY, b"causal_conv1d.cu", len(sources), texts, names
            )
        )
        try:
            options = [option.encode() for option in (*_OPTIONS, f"--gpu-architecture={target}")]
            error = self._library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
            if error:
                log_text = self._output(program, "ProgramLog").rstrip(b"\0").decode(errors="replace").strip()
                raise RuntimeError(f"NVRTC {_format_version(self.version)}: {self._message(error)}: {log_text}")
            return self._output(program, "CUBIN" if target.startswith("sm_") else "PTX")
        finally:
            self._check(self._library.nvrtcDestroyProgram(ctypes.byref(program)))

    def _output(self, program: ctypes.c_void_p, kind: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(getattr(self._library, f"nvrtcGet{kind}Size")(program, ctypes.byref(size)))
        output = ctypes.create_string_buffer(size.value)
        self._check(getattr(self._library, f"nvrtcGet{kind}")(program, output))
        return output.raw

    def _message(self, error: int) -> str:
        message: bytes = self._library.nvrtcGetErrorString(error)
        return message.decode()

    def _check(self, error: int) -> None:
        if error:
            raise RuntimeError(f"NVRTC: {self._message(error)}")


@cache
def compiler() -> Compiler:
    """The NVRTC of NVIDIA's package, otherwise that of torch or the system.

    Raises:
        FileNotFoundError: no NVRTC is installed.
    """
    for name in (*_packaged_libraries(), *_SONAMES):
        try:
            return Compiler(ctypes.CDLL(name))
        except OSError:
            continue  # missing, or built for another machine: try the next
    raise FileNotFoundError(f"NVRTC is not installed: pip install {' or '.join(PACKAGES)}")


def image(capability: int) -> bytes:
    """The compiled kernels for a GPU, from the cache if they are there.

    Args:
        capability: the compute capability, e.g. 90 for 9.0.

    Raises:
        OSError: no NVRTC is installed.
        RuntimeError: NVRTC cannot compile for this GPU.
    """
    nvrtc = compiler()
    target = nvrtc.target(capability)
    path = user_cache() / "seizurekit" / "kernels" / f"causal_conv1d-{target}-{_key(nvrtc, target)}"
    cached = _read_cached(path)
    if cached is not None:
        return cached
    compiled = nvrtc.compile(target)
    try:
        write_atomic(path, hashlib.sha256(compiled).digest() + compiled)
    except OSError as error:
        log.warning("cannot cache compiled kernels, so every process compiles them: %s", error)
    return compiled


@cache
def kernel_sources() -> dict[str, bytes]:
    """The CUDA sources by file name."""
    folder = Path(causal_conv1d.__file__).parent
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.cuh"))}


def _key(nvrtc: Compiler, target: str) -> str:
    """A hash of everything that the result depends on."""
    digest = hashlib.sha256()
    for part in (_format_version(nvrtc.version), target, *_OPTIONS):
        digest.update(part.encode() + b"\0")
    for name, text in kernel_sources().items():
        digest.update(name.encode() + b"\0" + text + b"\0")
    return digest.hexdigest()[:32]


def _read_cached(path: Path) -> bytes | None:
    """Kernels from the cache; None if the file is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, cached = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(cached).digest() == digest:
        return cached
    log.warning("%s is damaged: compiling the kernels again", path)
    return None


def _packaged_libraries() -> Iterator[str]:
    for package in PACKAGES:
        try:
            files = importlib.metadata.files(package) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in files:
            if file.name in _SONAMES:
                yield str(file.locate())


def _format_version(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
