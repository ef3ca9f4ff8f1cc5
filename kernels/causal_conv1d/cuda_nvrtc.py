"""The CUDA kernels compiled here and now, by NVIDIA's run-time compiler NVRTC: for a card that the library has nothing
for, and where there was no nvcc when seizurekit was installed.

NVRTC is a library without a compiler's other files; ours need no header of CUDA's. What it made is kept in the user's
cache folder, so that it is made once.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from seizurekit import settings
from seizurekit.atomic import write_whole

log = logging.getLogger(__name__)
PACKAGES = ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")
"""For CUDA 13 and 12."""
_SONAMES = ("libnvrtc.so.13", "libnvrtc.so.12")
OLDEST = 80
"""Compute capability 8.0: the first with bfloat16."""
_OPTIONS = ("--std=c++17",)
_ENTRY = b'#include "cuda_kernels.cuh"\n'
_DIGEST = hashlib.sha256().digest_size


class Compiler:
    """NVRTC.

    Args:
        library: its functions, as ctypes has them.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor number."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._check(self._library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
        return major.value, minor.value

    def architectures(self) -> list[int]:
        """Those it can compile for, e.g. 90 for sm_90, in rising order."""
        count = ctypes.c_int()
        self._check(self._library.nvrtcGetNumSupportedArchs(ctypes.byref(count)))
        found = (ctypes.c_int * count.value)()
        self._check(self._library.nvrtcGetSupportedArchs(found))
        return sorted(found)

    def target(self, capability: int) -> str:
        """What to compile for: the card's own architecture, or else the newest before it, as PTX for the driver.

        Raises:
            RuntimeError: the card is too old for the kernels, or for this NVRTC.
        """
        if capability < OLDEST:
            raise RuntimeError(f"compute capability {capability / 10} is below {OLDEST / 10}")
        known = [architecture for architecture in self.architectures() if OLDEST <= architecture <= capability]
        if not known:
            raise RuntimeError(
                f"NVRTC {_dotted(self.version)} does not compile for compute capability {capability / 10}"
            )
        return f"sm_{capability}" if known[-1] == capability else f"compute_{known[-1]}"

    def compile(self, target: str) -> bytes:
        """The image, a cubin for ``sm_90`` and PTX for ``compute_90``.

        Raises:
            RuntimeError: with the compiler's own words.
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
            given = [option.encode() for option in (*_OPTIONS, f"--gpu-architecture={target}")]
            error = self._library.nvrtcCompileProgram(program, len(given), (ctypes.c_char_p * len(given))(*given))
            if error:
                said = self._text(program, "ProgramLog").rstrip(b"\0").decode(errors="replace").strip()
                raise RuntimeError(f"{self._words(error)}: {said}")
            return self._text(program, "CUBIN" if target.startswith("sm_") else "PTX")
        finally:
            self._check(self._library.nvrtcDestroyProgram(ctypes.byref(program)))

    def _text(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(getattr(self._library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
        text = ctypes.create_string_buffer(size.value)
        self._check(getattr(self._library, f"nvrtcGet{what}")(program, text))
        return text.raw

    def _words(self, error: int) -> str:
        return f"NVRTC {_dotted(self.version)}: {self._library.nvrtcGetErrorString(error).decode()}"

    def _check(self, error: int) -> None:
        if error:
            raise RuntimeError(f"NVRTC: {self._library.nvrtcGetErrorString(error).decode()}")


@cache
def compiler() -> Compiler:
    """The NVRTC of the package, or else the one that torch or the system has.

    Raises:
        FileNotFoundError: there is none.
    """
    for name in (*_packaged(), *_SONAMES):
        try:
            return Compiler(ctypes.CDLL(name))
        except OSError:
            continue  # not there, or for another machine: the next may do
    raise FileNotFoundError(f"no libnvrtc to compile kernels with: pip install {' or '.join(PACKAGES)}")


def image(capability: int) -> bytes:
    """The kernels for a card, out of the cache or compiled.

    Args:
        capability: 90 for 9.0.

    Raises:
        OSError: there is no NVRTC.
        RuntimeError: it does not compile for this card.
    """
    nvrtc = compiler()
    target = nvrtc.target(capability)
    place = settings.user_cache() / "seizurekit" / "kernels" / f"causal_conv1d-{target}-{_key(nvrtc, target)}"
    kept = _kept(place)
    if kept is not None:
        return kept
    made = nvrtc.compile(target)
    try:
        write_whole(place, hashlib.sha256(made).digest() + made)
    except OSError as error:
        log.warning("compiled kernels are not kept, so every process compiles them: %s", error)
    return made


@cache
def kernel_sources() -> dict[str, bytes]:
    """The CUDA files beside this one, by name."""
    return {path.name: path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.cuh"))}


def _key(nvrtc: Compiler, target: str) -> str:
    """Of all that the image is made of."""
    digest = hashlib.sha256()
    for part in (_dotted(nvrtc.version), target, *_OPTIONS):
        digest.update(part.encode() + b"\0")
    for name, text in kernel_sources().items():
        digest.update(name.encode() + b"\0" + text + b"\0")
    return digest.hexdigest()[:32]


def _kept(place: Path) -> bytes | None:
    """An image of the cache; None where there is none, or where it is not what was written."""
    try:
        content = place.read_bytes()
    except OSError:
        return None
    digest, kept = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(kept).digest() == digest:
        return kept
    log.warning("%s is damaged: its kernels are compiled anew", place)
    return None


def _packaged() -> Iterator[str]:
    for package in PACKAGES:
        try:
            files = importlib.metadata.files(package) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in files:
            if file.name in _SONAMES:
                yield str(file.locate())


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
