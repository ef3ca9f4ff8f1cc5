"""The CUDA kernels without a GPU: run on the host, thread by thread, through a driver that does so."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seizurekit.kernels.causal_conv1d import reference
from seizurekit.kernels.causal_conv1d.contract import ConvInputs, ConvOptions
from seizurekit.ops.causal_conv1d import cuda, cuda_driver
from seizurekit.ops.causal_conv1d.cuda_arguments import Arguments
from seizurekit.ops.causal_conv1d.cuda_driver import Driver

ROOT = Path(__file__).resolve().parents[3]
TOLERANCES = {torch.float32: (1e-5, 1e-5), torch.float16: (2e-3, 1e-3), torch.bfloat16: (1e-2, 1e-2)}
IMAGE = b"an image for 90"


@pytest.fixture(scope="session")
def host_library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The driver and the kernels compiled for the host; undefined behaviour aborts the process."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    library = tmp_path_factory.mktemp("cuda") / "host.so"
    flags = ["-std=c++17", "-O1", "-fPIC", "-shared", "-fno-strict-aliasing"]
    flags += ["-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]
    flags += ["-fsanitize=undefined", "-fno-sanitize-recover=all", f"-I{ROOT / 'kernels' / 'causal_conv1d'}"]
    source = ROOT / "tests" / "cuda_on_host" / "driver.cpp"
    subprocess.run([compiler, *flags, "-o", str(library), str(source)], check=True)
    return ctypes.CDLL(str(library))


@pytest.fixture
def launches(host_library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The back end launches on the host; results start as NaN. Names of the kernels that were launches."""

    def filled(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda *arguments, **keywords: make(*arguments, **keywords).fill_(torch.nan)

    monkeypatch.setattr(torch, "empty", filled(torch.empty))
    monkeypatch.setattr(torch, "empty_like", filled(torch.empty_like))
    driver = Driver(host_library, lambda capability: f"an image for {capability}".encode())
    driver.load_onto(1)
    names: list[str] = []

    def launch(name: str, arguments: Arguments, blocks: int, x: Tensor) -> None:
        names.append(name)
        driver.launch(name, arguments, blocks, cuda.THREADS, device=1, stream=0)

    monkeypatch.setattr(cuda, "_launch", launch)
    return names


def as_slice(x: Tensor, channels_last: bool, margin: int) -> Tensor:
    """A copy of x inside a wider tensor of NaN; a margin of 8 keeps wide accesses possible."""
    batch, channels, length = x.shape
    if channels_last:
        wide = x.new_full((batch, length + 2, channels + 2 * margin), torch.nan)
        inner = wide[:, 1:-1, margin : margin + channels].transpose(1, 2)
    else:
        wide = x.new_full((batch, channels + 2, length + 2 * margin), torch.nan)
        inner = wide[:, 1:-1, margin : margin + length]
    return inner.copy_(x)


def check(shape: tuple[int, int, int], width: int, dtype: torch.dtype, flags: int, margin: int = 8) -> None:
    """Forward and backward of a case equal the reference in float64; `flags` are bits."""
    silu, reverse, channels_last, states, bias, half_weights = (bool(flags >> bit & 1) for bit in range(6))
    generator = torch.Generator().manual_seed(flags + 64 * shape[2])
    weight_dtype = dtype if half_weights else torch.float32

    def random(*size: int, dtype: torch.dtype = dtype) -> Tensor:
        return torch.randn(size, generator=generator).to(dtype)

    x, dy = (as_slice(random(*shape), channels_last, margin) for _ in range(2))
    weight = random(shape[1], width, dtype=weight_dtype)
    offset = random(shape[1], dtype=weight_dtype) if bias else None
    initial, dfinal = (random(*shape[:2], width - 1) if states else None for _ in range(2))
    inputs, options = ConvInputs(x, weight, offset, initial), ConvOptions(silu, reverse)
    exact = ConvInputs._make(None if t is None else t.double() for t in inputs)
    dfinal64 = None if dfinal is None else dfinal.double()
    results = (*cuda.forward(inputs, options), *cuda.backward(dy, dfinal, inputs, options))
    expected = (*reference.forward(exact, options), *reference.backward(dy.double(), dfinal64, exact, options))
    rtol, atol = TOLERANCES[dtype]
    names = ("y", "final", "dx", "dweight", "dbias", "dinitial")
    for name, result, right in zip(names, results, expected, strict=True):
        if right is None:
            assert result is None
            continue
        assert result is not None
        scale = max(1.0, right.abs().max().item()) if name in ("dweight", "dbias") else 1.0
        close = torch.isclose(result.double(), right, rtol=rtol, atol=atol * scale)
        assert close.all(), f"{name}: {shape} width {width} {dtype} flags {flags:06b}"


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("channels", [1, 3, 8, 24, 64])
def test_the_kernels_equal_the_reference_block_by_block(dtype: torch.dtype, channels: int, launches: list[str]) -> None:
    flags = channels
    for length in (1, 2, 3, 4, 8, 15, 16, 32, 33, 64, 70, 136):
        for width in (2, 3, 4):
            flags = (flags * 5 + 7) % 64
            check((2, channels, length), width, dtype, flags, margin=(8, 3)[length % 3 == 0])


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_every_kernel_is_run(dtype: torch.dtype, launches: list[str]) -> None:
    for channels_last in (0, 4):
        for margin in (8, 3):
            check((2, 16, 32), 4, dtype, 0b111011 | channels_last, margin)
    inputs = ConvInputs(torch.ones(2, 16, 1, dtype=dtype), torch.ones(16, 4, dtype=dtype))
    cuda.update(inputs, torch.zeros(2, 16, 4, dtype=dtype), ConvOptions(silu=True))
    kernels = (ROOT / "kernels" / "causal_conv1d" / "cuda_kernels.cuh").read_text()
    tiled = set(re.findall(r"DO\((\w+), (?:float32|type), (\w+), (\w+),", kernels))
    name = str(dtype).removeprefix("torch.")
    expected = {f"{operation}_{name}_{layout}_{access}" for operation, layout, access in tiled}
    expected |= {f"{operation}_{name}" for operation in ("add_partial_sums", "initial_gradient", "update")}
    assert set(launches) == expected


def test_the_order_of_threads_between_barriers_changes_no_bit(launches: list[str], host_library: ctypes.CDLL) -> None:
    x, dy = (torch.randn(3, 200, 24).transpose(1, 2) for _ in range(2))
    inputs, options = ConvInputs(x, torch.randn(24, 4), torch.randn(24)), ConvOptions(silu=True)
    results = []
    try:
        for last_first in (0, 1):
            host_library.seizurekit_run_last_thread_first(last_first)
            results.append((*cuda.forward(inputs, options), *cuda.backward(dy, None, inputs, options)[:3]))
    finally:
        host_library.seizurekit_run_last_thread_first(0)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("columns", [3, 5])
def test_steps_of_streaming_equal_the_whole(dtype: torch.dtype, columns: int, launches: list[str]) -> None:
    inputs = ConvInputs(torch.randn(2, 5, 7).to(dtype), torch.randn(5, 4), torch.randn(5))
    options = ConvOptions(silu=True)
    state = torch.zeros(2, 5, columns, dtype=dtype)
    samples = [sample.contiguous() for sample in inputs.x_BDL.split(1, dim=2)]
    steps = [cuda.update(inputs._replace(x_BDL=sample), state, options) for sample in samples]
    whole, _ = reference.forward(inputs, options)
    rtol, atol = TOLERANCES[dtype]
    torch.testing.assert_close(torch.cat(steps, dim=2), whole, rtol=rtol, atol=atol)
    assert torch.equal(state, torch.nn.functional.pad(inputs.x_BDL, (columns, 0))[:, :, -columns:])


def test_errors_have_the_message_of_the_driver(host_library: ctypes.CDLL) -> None:
    with pytest.raises(RuntimeError, match=r"^CUDA driver: invalid device ordinal$"):
        Driver(host_library, lambda capability: b"").load_onto(2)
    with pytest.raises(RuntimeError, match=r"^CUDA driver: no kernel image is available$"):
        Driver(host_library, lambda capability: b"something else").load_onto(0)
    # The context was popped, or this would fail.
    Driver(host_library, lambda capability: IMAGE).load_onto(0)


def test_it_names_the_reason_why_it_is_unavailable(host_library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cuda.unavailable_reason(torch.device("cpu")) == "runs on CUDA devices only, not on cpu"
    cuda._load_kernels.cache_clear()
    cuda_driver.driver.cache_clear()
    monkeypatch.setattr(cuda_driver, "LIBRARY", "libno_such_driver.so.1")
    reason = cuda.unavailable_reason(torch.device("cuda", 5))
    assert str(reason).startswith("no NVIDIA driver: libno_such_driver.so.1: cannot open shared object file")
    monkeypatch.setattr(cuda, "driver", lambda: Driver(host_library, lambda capability: b"something else"))
    assert cuda.unavailable_reason(torch.device("cuda", 0)) == "CUDA driver: no kernel image is available"
    monkeypatch.setattr(cuda, "driver", lambda: Driver(host_library, lambda capability: IMAGE))
    assert cuda.unavailable_reason(torch.device("cuda", 0)) is None
    cuda._load_kernels.cache_clear()
