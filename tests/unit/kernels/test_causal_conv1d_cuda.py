"""The CUDA kernels without a GPU: run on the host, thread by thread, and read in the library that nvcc made."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seizurekit.kernels.causal_conv1d import cuda, cuda_driver, cuda_library, reference
from seizurekit.kernels.causal_conv1d.cuda_driver import Driver
from seizurekit.kernels.causal_conv1d.cuda_library import Library

ROOT = Path(__file__).resolve().parents[3]
TOLERANCES = {torch.float32: (1e-5, 1e-5), torch.float16: (2e-3, 1e-3), torch.bfloat16: (1e-2, 1e-2)}


@pytest.fixture(scope="session")
def host_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernels compiled for the host, undefined behaviour ending the process."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    library = tmp_path_factory.mktemp("cuda") / "host.so"
    flags = [
        "-std=c++17",
        "-O1",
        "-fPIC",
        "-shared",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unknown-pragmas",
        "-fno-strict-aliasing",
    ]
    flags += ["-fsanitize=undefined", "-fno-sanitize-recover=all", f"-I{ROOT / 'kernels' / 'causal_conv1d'}"]
    source = ROOT / "tests" / "cuda_on_host" / "driver.cpp"
    subprocess.run([compiler, *flags, "-o", str(library), str(source)], check=True)
    return library


@pytest.fixture
def on_host(host_library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The back end launches on the host; what no kernel writes is NaN."""

    def filled(make: object) -> object:
        return lambda *arguments, **keywords: make(*arguments, **keywords).fill_(torch.nan)  # type: ignore[operator]

    monkeypatch.setattr(torch, "empty", filled(torch.empty))
    monkeypatch.setattr(torch, "empty_like", filled(torch.empty_like))
    monkeypatch.setattr(cuda_library, "path", lambda: host_library)
    cuda_library.library.cache_clear()
    yield
    cuda_library.library.cache_clear()


def sliced(x: Tensor, channels_last: bool, margin: int) -> Tensor:
    """The same numbers inside a wider tensor of NaN; a margin of 8 keeps wide accesses possible."""
    batch, channels, length = x.shape
    if channels_last:
        wide = x.new_full((batch, length + 2, channels + 2 * margin), torch.nan)
        place = wide[:, 1:-1, margin : margin + channels].transpose(1, 2)
    else:
        wide = x.new_full((batch, channels + 2, length + 2 * margin), torch.nan)
        place = wide[:, 1:-1, margin : margin + length]
    return place.copy_(x)


def check(shape: tuple[int, int, int], width: int, dtype: torch.dtype, flags: int, margin: int = 8) -> None:
    """Forward and backward of a case equal the reference's in float64; `flags` are bits."""
    silu, reverse, channels_last, states, bias, half_weights = (bool(flags >> bit & 1) for bit in range(6))
    generator = torch.Generator().manual_seed(flags + 64 * shape[2])
    weights = dtype if half_weights else torch.float32

    def random(*size: int, of: torch.dtype = dtype) -> Tensor:
        return torch.randn(size, generator=generator).to(of)

    x, dy = (sliced(random(*shape), channels_last, margin) for _ in range(2))
    weight = random(shape[1], width, of=weights)
    offset = random(shape[1], of=weights) if bias else None
    initial, dfinal = (random(*shape[:2], width - 1) if states else None for _ in range(2))
    exact = [None if t is None else t.double() for t in (x, weight, offset, initial)]
    found = cuda.forward(x, weight, offset, initial, silu, reverse)
    found += cuda.backward(dy, x, weight, offset, initial, dfinal, silu, reverse, True)
    dfinal64 = None if dfinal is None else dfinal.double()
    wanted = reference.forward(*exact, silu, reverse)
    wanted += reference.backward(dy.double(), *exact, dfinal64, silu, reverse, True)
    rtol, atol = TOLERANCES[dtype]
    for name, result, right in zip(("y", "final", "dx", "dweight", "dbias", "dinitial"), found, wanted, strict=True):
        if right is None:
            assert result is None
            continue
        scale = max(1.0, right.abs().max().item()) if name in ("dweight", "dbias") else 1.0
        close = torch.isclose(result.double(), right, rtol=rtol, atol=atol * scale)
        assert close.all(), f"{name}: {shape} width {width} {dtype} flags {flags:06b}"


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("channels", [1, 3, 8, 24, 64])
def test_the_kernels_equal_the_reference_block_by_block(dtype: torch.dtype, channels: int, on_host: None) -> None:
    number = channels
    for length in (1, 2, 3, 4, 8, 15, 16, 32, 33, 64, 70, 136):
        for width in (2, 3, 4):
            number = (number * 5 + 7) % 64
            check((2, channels, length), width, dtype, number, margin=(8, 3)[length % 3 == 0])


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_every_kernel_is_run(dtype: torch.dtype, on_host: None, monkeypatch: pytest.MonkeyPatch) -> None:
    names: set[str] = set()
    launch = Library.launch
    monkeypatch.setattr(Library, "launch", lambda self, name, *call: (names.add(name), launch(self, name, *call))[1])
    for channels_last in (0, 4):
        for margin in (8, 3):
            check((2, 16, 32), 4, dtype, 0b111011 | channels_last, margin)
    state = torch.zeros(2, 16, 4, dtype=dtype)
    cuda.update(torch.ones(2, 16, dtype=dtype), state, torch.ones(16, 4, dtype=dtype), None, True)
    kernels = (ROOT / "kernels" / "causal_conv1d" / "cuda_kernels.cuh").read_text()
    tiled = set(re.findall(r"DO\((\w+), (?:float32|type), (\w+), (\w+),", kernels))
    name = str(dtype).removeprefix("torch.")
    wanted = {f"{operation}_{name}_{layout}_{access}" for operation, layout, access in tiled}
    wanted |= {f"{operation}_{name}" for operation in ("add_partial_sums", "initial_gradient", "update")}
    assert names == wanted


def test_the_order_of_threads_between_barriers_changes_no_bit(on_host: None, host_library: Path) -> None:
    x, dy = (torch.randn(3, 200, 24).transpose(1, 2) for _ in range(2))
    weight, bias = torch.randn(24, 4), torch.randn(24)
    order = ctypes.CDLL(str(host_library)).seizurekit_run_backwards
    results = []
    try:
        for backwards in (0, 1):
            order(backwards)
            y = cuda.forward(x, weight, bias, None, True, False)
            results.append((*y, *cuda.backward(dy, x, weight, bias, None, None, True, False, True)[:3]))
    finally:
        order(0)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("columns", [3, 5])
def test_steps_of_streaming_equal_the_whole(dtype: torch.dtype, columns: int, on_host: None) -> None:
    x = torch.randn(2, 5, 7).to(dtype)
    weight, bias = torch.randn(5, 4), torch.randn(5)
    state = torch.zeros(2, 5, columns, dtype=dtype)
    steps = [cuda.update(x[:, :, t], state, weight, bias, True) for t in range(7)]
    whole, _ = reference.forward(x, weight, bias, None, True, False)
    rtol, atol = TOLERANCES[dtype]
    torch.testing.assert_close(torch.stack(steps, dim=2), whole, rtol=rtol, atol=atol)
    assert torch.equal(state, torch.nn.functional.pad(x, (columns, 0))[:, :, -columns:])


def test_an_error_of_cuda_is_told_in_its_own_words(on_host: None) -> None:
    with pytest.raises(RuntimeError, match="CUDA error: no kernel image is available for execution on the device"):
        cuda_library.library().load_onto(7)
    with pytest.raises(RuntimeError, match="CUDA error: invalid device function"):
        cuda_library.library().launch("no_such_kernel", cuda_library.Arguments(), 1, 1, 0, 0)


@pytest.fixture
def through_the_driver(host_library: Path, on_host: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No library serves; the driver's functions are those of tests/cuda_on_host, and start the kernels on the host."""
    made = Driver(ctypes.CDLL(str(host_library)), lambda capability: f"an image for {capability}".encode())
    monkeypatch.setattr(cuda, "driver", lambda: made)
    cuda._loaded_onto.cache_clear()
    launcher = cuda._loaded_onto(1)  # which the library of the tests refuses
    assert launcher is made
    monkeypatch.setattr(cuda, "library", lambda: _OnDevice1(made))
    yield
    cuda._loaded_onto.cache_clear()


class _OnDevice1:
    """Tensors of the CPU are launched for as if they were of device 1."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def launch(self, name: str, arguments: object, blocks: int, threads: int, device: int, stream: int) -> None:
        self.driver.launch(name, arguments, blocks, threads, 1, stream)


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_kernels_started_through_the_driver_equal_the_reference(dtype: torch.dtype, through_the_driver: None) -> None:
    for flags in (0b111011, 0b111111):
        check((2, 16, 32), 4, dtype, flags)


def test_the_drivers_errors_are_told_in_its_own_words(host_library: Path) -> None:
    library = ctypes.CDLL(str(host_library))
    with pytest.raises(RuntimeError, match=r"^CUDA driver: invalid device ordinal$"):
        Driver(library, lambda capability: b"").load_onto(2)
    with pytest.raises(RuntimeError, match=r"^CUDA driver: no kernel image is available$"):
        Driver(library, lambda capability: b"something else").load_onto(0)
    # The context was given back, or this would fail.
    Driver(library, lambda capability: b"an image for 90").load_onto(0)


def test_why_it_cannot_serve_is_told(on_host: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cuda.why_not(torch.device("cpu")) == "runs on CUDA devices only, not on cpu"
    cuda_driver.driver.cache_clear()
    monkeypatch.setattr(cuda_driver, "LIBRARY", "libno_such_driver.so.1")
    no_driver = "compiled now: no NVIDIA driver: libno_such_driver.so.1: cannot open shared object file"
    cuda._loaded_onto.cache_clear()
    reason = cuda.why_not(torch.device("cuda", 5))
    assert reason is not None
    assert reason.startswith(f"CUDA error: no kernel image is available for execution on the device; {no_driver}")
    cuda_library.library.cache_clear()
    monkeypatch.setattr(cuda_library, "path", lambda: tmp_path / cuda_library.NAME)
    reason = cuda.why_not(torch.device("cuda", 0))
    assert reason is not None
    not_built = "libseizurekit_cuda.so: not built (no nvcc when seizurekit was installed)"
    assert reason.startswith(f"{not_built}; {no_driver}")


@pytest.fixture(scope="module")
def built() -> Path:
    """The library that CMake built."""
    library = cuda_library.path()
    if not library.exists():
        pytest.skip("no nvcc when seizurekit was installed, so no library of CUDA kernels")
    return library


def dumped(library: Path, *arguments: str) -> str:
    cuobjdump = shutil.which("cuobjdump")
    if cuobjdump is None:
        triton = pytest.importorskip("triton")
        cuobjdump = str(Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump")
    done = subprocess.run([cuobjdump, *arguments, str(library)], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_library_loads_where_there_is_no_driver_and_says_so(built: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(RuntimeError, match="CUDA error: "):
        Library(built).load_onto(0)


def test_no_kernel_spills_a_register_or_takes_more_than_128(built: Path) -> None:
    usage = re.findall(r"REG:(\d+) STACK:(\d+) .*?LOCAL:(\d+)", dumped(built, "--dump-resource-usage"))
    assert len(usage) >= 33 * 2
    assert [found for found in usage if int(found[0]) > 128 or int(found[1]) or int(found[2])] == []


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_wide_kernels_move_16_bytes_at_once(built: Path, architecture: str) -> None:
    sass = dumped(built, "--dump-sass", "--gpu-architecture", architecture)
    functions = dict(re.findall(r"Function : (\w+)(.*?)(?=Function : |\Z)", sass, re.DOTALL))
    wide = [name for name in functions if name.endswith("_vector")]
    assert len(wide) == 12
    # Eight channels' running sums of a 16-bit gradient do not fit into the registers: there it is 8 bytes.
    narrow = {f"backward_{dtype}_channels_vector" for dtype in ("bfloat16", "float16")}
    for name in wide:
        bits = "64" if name in narrow else "128"
        assert f"LDG.E.{bits}" in functions[name], name
        assert f"STG.E.{bits}" in functions[name], name
