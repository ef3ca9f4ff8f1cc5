"""The CUDA kernels compiled by NVRTC, which needs no GPU: the code it makes, and the cache."""

from __future__ import annotations

import ctypes
import logging
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from seizurekit.kernels import causal_conv1d
from seizurekit.ops.causal_conv1d import cuda_nvrtc
from seizurekit.ops.causal_conv1d.cuda_arguments import DTYPES, KERNELS
from seizurekit.ops.causal_conv1d.cuda_nvrtc import Compiler

SPILLED = {(100, "backward_bfloat16_channels_vector"): 8}
"""Bytes of stack with NVRTC 13.5, where nvcc 13.0 needs none; more bytes, or any elsewhere, are an error."""
NARROW = {f"backward_{dtype}_channels_vector" for dtype in ("bfloat16", "float16")}
"""Kernels with accesses of 8 bytes: the sums for the gradients of eight channels do not fit into registers."""


@pytest.fixture(scope="module")
def nvrtc() -> Compiler:
    try:
        return cuda_nvrtc.compiler()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_the_names_of_the_kernels_are_those_of_the_sources() -> None:
    text = (Path(causal_conv1d.__file__).parent / "cuda_kernels.cuh").read_text()
    tiled = set(re.findall(r"DO\((\w+), (?:float32|type), (\w+), (\w+),", text))
    small = set(re.findall(r"DO\((\w+), (\w+), [\w:]+\)", text))
    expected = {f"{op}_{dtype}_{inner}_{access}" for op, inner, access in tiled for dtype in DTYPES}
    assert set(KERNELS) == expected | {f"{operation}_{dtype}" for operation, dtype in small}


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [90, 100])
def test_every_kernel_compiles_without_a_spill_within_128_registers_and_with_wide_accesses(
    architecture: int, nvrtc: Compiler, tmp_path: Path
) -> None:
    target = nvrtc.target(architecture)
    assert target == f"sm_{architecture}"
    cubin = tmp_path / "kernels.cubin"
    cubin.write_bytes(nvrtc.compile(target))
    usage = re.findall(r"Function (\w+):\s+REG:(\d+) STACK:(\d+) .*?LOCAL:(\d+)", dump(cubin, "--dump-resource-usage"))
    assert {name for name, *_ in usage} == set(KERNELS)
    assert [kernel for kernel in usage if int(kernel[1]) > 128 or int(kernel[3])] == []
    assert [name for name, _, stack, _ in usage if int(stack) > SPILLED.get((architecture, name), 0)] == []

    functions = re.findall(r"Function : (\w+)(.*?)(?=Function : |\Z)", dump(cubin, "--dump-sass"), re.DOTALL)
    wide = {name: code for name, code in functions if name.endswith("_vector")}
    assert len(wide) == 12
    for name, code in wide.items():
        bits = "64" if name in NARROW else "128"
        assert f"LDG.E.{bits}" in code, name
        assert f"STG.E.{bits}" in code, name


def dump(cubin: Path, option: str) -> str:
    cuobjdump = shutil.which("cuobjdump")
    if cuobjdump is None:
        triton = pytest.importorskip("triton")
        cuobjdump = str(Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump")
    return subprocess.run([cuobjdump, option, str(cubin)], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def small_sources(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A kernel that compiles quickly."""
    sources = {"cuda_kernels.cuh": b'extern "C" __global__ void nothing(float* x) { *x = 1; }\n'}
    monkeypatch.setattr(cuda_nvrtc, "kernel_sources", lambda: sources)
    return sources


def test_a_gpu_newer_than_the_compiler_gets_ptx_of_the_newest_known_architecture(
    nvrtc: Compiler, small_sources: dict[str, bytes]
) -> None:
    newest = nvrtc.architectures()[-1]
    target = nvrtc.target(newest + 50)
    assert target == f"compute_{newest}"
    text = nvrtc.compile(target)
    assert f".target sm_{newest}".encode() in text
    assert b".entry nothing" in text


def test_a_gpu_that_is_too_old_is_rejected(nvrtc: Compiler) -> None:
    with pytest.raises(RuntimeError, match=r"^compute capability is 7\.5, expected 8\.0 or newer$"):
        nvrtc.target(75)


def test_a_compilation_error_has_the_message_of_the_compiler(nvrtc: Compiler, small_sources: dict[str, bytes]) -> None:
    small_sources["cuda_kernels.cuh"] = b"no C++\n"
    with pytest.raises(
        RuntimeError, match=r"(?s)NVRTC 1\d\.\d+: NVRTC_ERROR_COMPILATION: cuda_kernels.cuh\(1\): error"
    ):
        nvrtc.compile(nvrtc.target(90))


@pytest.fixture
def compiled_targets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_sources: dict[str, bytes]
) -> Callable[[], list[str]]:
    """The targets compiled so far, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    targets: list[str] = []
    really = Compiler.compile

    def record(self: Compiler, target: str) -> bytes:
        targets.append(target)
        return really(self, target)

    monkeypatch.setattr(Compiler, "compile", record)
    return lambda: targets


def test_kernels_are_compiled_once_and_again_when_their_sources_change(
    nvrtc: Compiler, compiled_targets: Callable[[], list[str]], small_sources: dict[str, bytes]
) -> None:
    first = cuda_nvrtc.image(90)
    assert cuda_nvrtc.image(90) == first
    assert compiled_targets() == ["sm_90"]
    small_sources["cuda_kernels.cuh"] += b"// changed\n"
    cuda_nvrtc.image(90)
    cuda_nvrtc.image(80)
    assert compiled_targets() == ["sm_90", "sm_90", "sm_80"]


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_file_of_the_cache_is_compiled_again(
    nvrtc: Compiler,
    compiled_targets: Callable[[], list[str]],
    tmp_path: Path,
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = cuda_nvrtc.image(90)
    (path,) = (tmp_path / "seizurekit" / "kernels").iterdir()
    content = path.read_bytes()
    path.write_bytes({"cut": content[:-1], "changed": content[:100] + b"?" + content[101:], "empty": b""}[damage])
    with caplog.at_level(logging.WARNING):
        assert cuda_nvrtc.image(90) == first
    assert compiled_targets() == ["sm_90", "sm_90"]
    assert f"{path} is damaged" in caplog.text
    assert path.read_bytes() == content


def test_kernels_are_used_even_if_they_cannot_be_cached(
    nvrtc: Compiler, compiled_targets: Callable[[], list[str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "seizurekit").write_text("a file where the folder should be")
    assert cuda_nvrtc.image(90).startswith(b"\x7fELF")
    assert "cannot cache compiled kernels" in caplog.text


def test_a_missing_compiler_is_an_error_that_names_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", nothing)
    cuda_nvrtc.compiler.cache_clear()
    with pytest.raises(FileNotFoundError, match="pip install nvidia-cuda-nvrtc or nvidia-cuda-nvrtc-cu12"):
        cuda_nvrtc.compiler()
