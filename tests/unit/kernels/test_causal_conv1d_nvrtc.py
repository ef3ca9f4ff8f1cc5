"""The CUDA kernels compiled by NVRTC, which needs no GPU: what it makes, and what is kept of it."""

from __future__ import annotations

import ctypes
import logging
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from seizurekit.kernels.causal_conv1d import cuda_nvrtc
from seizurekit.kernels.causal_conv1d.cuda_arguments import DTYPES, KERNELS
from seizurekit.kernels.causal_conv1d.cuda_nvrtc import Compiler

SPILLED = {(100, "backward_bfloat16_channels_vector"): 8}
"""Bytes that NVRTC 13.5 puts on the stack, where nvcc 13.0 needs none; more, or any elsewhere, is an error."""
SOURCES = Path(cuda_nvrtc.__file__).parent


@pytest.fixture(scope="module")
def nvrtc() -> Compiler:
    try:
        return cuda_nvrtc.compiler()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@cache
def compiled(target: str) -> bytes:
    return cuda_nvrtc.compiler().compile(target)


def test_the_kernels_names_are_those_of_the_sources() -> None:
    text = (SOURCES / "cuda_kernels.cuh").read_text()
    tiled = set(re.findall(r"DO\((\w+), (?:float32|type), (\w+), (\w+),", text))
    small = set(re.findall(r"DO\((\w+), (\w+), [\w:]+\)", text))
    wanted = {f"{op}_{dtype}_{inner}_{access}" for op, inner, access in tiled for dtype in DTYPES}
    assert set(KERNELS) == wanted | {f"{operation}_{dtype}" for operation, dtype in small}


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [90, 100])  # half a minute each; nvcc builds for all of them
def test_it_compiles_every_kernel_without_a_spill_and_within_128_registers(
    architecture: int, nvrtc: Compiler, tmp_path: Path
) -> None:
    target = nvrtc.target(architecture)
    assert target == f"sm_{architecture}"
    cubin = tmp_path / "kernels.cubin"
    cubin.write_bytes(compiled(target))
    cuobjdump = shutil.which("cuobjdump")
    if cuobjdump is None:
        triton = pytest.importorskip("triton")
        cuobjdump = str(Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump")
    said = subprocess.run([cuobjdump, "--dump-resource-usage", str(cubin)], capture_output=True, text=True, check=True)
    usage = re.findall(r"Function (\w+):\s+REG:(\d+) STACK:(\d+) .*?LOCAL:(\d+)", said.stdout)
    assert {name for name, *_ in usage} == set(KERNELS)
    assert [found for found in usage if int(found[1]) > 128 or int(found[3])] == []
    assert [name for name, _, stack, _ in usage if int(stack) > SPILLED.get((architecture, name), 0)] == []


@pytest.fixture
def small_sources(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A kernel that compiles in no time."""
    sources = {"cuda_kernels.cuh": b'extern "C" __global__ void nothing(float* x) { *x = 1; }\n'}
    monkeypatch.setattr(cuda_nvrtc, "kernel_sources", lambda: sources)
    return sources


def test_a_card_newer_than_the_compiler_gets_ptx_of_the_newest_before_it(
    nvrtc: Compiler, small_sources: dict[str, bytes]
) -> None:
    newest = nvrtc.architectures()[-1]
    target = nvrtc.target(newest + 50)
    assert target == f"compute_{newest}"
    text = nvrtc.compile(target)
    assert f".target sm_{newest}".encode() in text
    assert b".entry nothing" in text


def test_a_card_that_is_too_old_is_refused(nvrtc: Compiler) -> None:
    with pytest.raises(RuntimeError, match=r"^compute capability 7\.5 is below 8\.0$"):
        nvrtc.target(75)


def test_what_the_compiler_says_is_told(nvrtc: Compiler, small_sources: dict[str, bytes]) -> None:
    small_sources["cuda_kernels.cuh"] = b"no C++\n"
    with pytest.raises(
        RuntimeError, match=r"(?s)NVRTC 1\d\.\d+: NVRTC_ERROR_COMPILATION: cuda_kernels.cuh\(1\): error"
    ):
        nvrtc.compile(nvrtc.target(90))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_sources: dict[str, bytes]) -> Callable[[], list[str]]:
    """A cache of its own, and what was compiled so far."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    targets: list[str] = []
    compile_ = Compiler.compile
    monkeypatch.setattr(Compiler, "compile", lambda self, target: (targets.append(target), compile_(self, target))[1])
    return lambda: targets


def test_an_image_is_compiled_once_and_anew_when_its_sources_change(
    nvrtc: Compiler, kept: Callable[[], list[str]], small_sources: dict[str, bytes]
) -> None:
    first = cuda_nvrtc.image(90)
    assert cuda_nvrtc.image(90) == first
    assert kept() == ["sm_90"]
    small_sources["cuda_kernels.cuh"] += b"// changed\n"
    cuda_nvrtc.image(90)
    cuda_nvrtc.image(80)
    assert kept() == ["sm_90", "sm_90", "sm_80"]


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_image_is_compiled_anew(
    nvrtc: Compiler, kept: Callable[[], list[str]], tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = cuda_nvrtc.image(90)
    (place,) = (tmp_path / "seizurekit" / "kernels").iterdir()
    content = place.read_bytes()
    place.write_bytes({"cut": content[:-1], "changed": content[:100] + b"?" + content[101:], "empty": b""}[damage])
    with caplog.at_level(logging.WARNING):
        assert cuda_nvrtc.image(90) == first
    assert kept() == ["sm_90", "sm_90"]
    assert f"{place} is damaged" in caplog.text
    assert place.read_bytes() == content


def test_where_nothing_can_be_kept_the_kernels_serve_all_the_same(
    nvrtc: Compiler, kept: Callable[[], list[str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "seizurekit").write_text("a file where the folder should be")
    assert cuda_nvrtc.image(90).startswith(b"\x7fELF")
    assert "compiled kernels are not kept" in caplog.text


def test_where_there_is_no_compiler_its_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", nothing)
    cuda_nvrtc.compiler.cache_clear()
    with pytest.raises(FileNotFoundError, match="pip install nvidia-cuda-nvrtc or nvidia-cuda-nvrtc-cu12"):
        cuda_nvrtc.compiler()
