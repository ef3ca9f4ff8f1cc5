"""Our Triton kernels without a GPU: interpreted, and compiled for four generations of GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="triton is not installed")

from compiled_kernels import CAPABILITIES, CompiledKernel, Launch, compile_launch, launches
from seizurekit.kernels.causal_conv1d import reference
from seizurekit.kernels.causal_conv1d.contract import ConvInputs, ConvOptions
from seizurekit.ops.causal_conv1d import trial
from seizurekit.ops.causal_conv1d import triton as backend
from triton_ir import evaluate

INTERPRETED = Path(__file__).parents[2] / "interpreted_kernels.py"
BATCH, CHANNELS, LENGTH = 4, 1152, 960
PROJECTION = 2 * 512 + 2 * 128 + 8  # of a Mamba-2 block: a multiple of 8 and not of 16

Compile = Callable[[Launch, int], CompiledKernel]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compile]:
    """Compiles a launch for a compute capability."""
    folder = tmp_path_factory.mktemp("triton")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TRITON_CACHE_DIR", str(folder))
        yield lambda launch, capability: compile_launch(launch, capability, folder)


@pytest.mark.slow
def test_interpreted_kernels_equal_the_reference_and_write_every_element_and_no_other() -> None:
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, str(INTERPRETED)], capture_output=True, text=True, env=environment)
    assert done.stdout == "equal\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize(
    ("dtype", "channels_last"), list(product((torch.float32, torch.bfloat16), (True, False))), ids=str
)
def test_compiled_kernels_spill_nothing_and_make_wide_accesses(
    dtype: torch.dtype, channels_last: bool, capability: int, compiled: Compile
) -> None:
    forward, backward, _ = _training(dtype, channels_last)
    # with channels innermost, 16 bytes of 2-byte elements would need more than 128 registers for the running sums
    for launch, bits in ((forward, 128), (backward, 64 if channels_last and dtype == torch.bfloat16 else 128)):
        kernel = compiled(launch, capability)
        assert kernel.spilled == 0
        assert kernel.registers <= 128
        assert kernel.loads(bits) >= 2
        assert kernel.stores(bits) >= 1
        assert kernel.atomics == 0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("channels_last", [True, False])
def test_the_largest_kernels_fit_into_registers(dtype: torch.dtype, channels_last: bool, compiled: Compile) -> None:
    for launch in _training(dtype, channels_last, reverse=True, states=True):
        kernel = compiled(launch, 90)
        assert kernel.spilled == 0
        assert kernel.registers <= 128


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_step_of_streaming_compiles(dtype: torch.dtype, compiled: Compile) -> None:
    state = torch.zeros(2, 64, 3, dtype=dtype)
    inputs = ConvInputs(state[:, :, :1], torch.zeros(64, 4), torch.zeros(64))
    (launch,) = launches(backend.update, inputs, state, ConvOptions(silu=True))
    kernel = compiled(launch, 90)
    assert kernel.spilled == 0
    assert "bar.sync" in kernel.ptx


@pytest.mark.parametrize("channels_last", [True, False])
def test_samples_of_another_lag_come_from_registers(channels_last: bool, compiled: Compile) -> None:
    kernel = compiled(_training(torch.bfloat16, channels_last)[0], 90)
    assert kernel.shared == 0
    assert kernel.loads(128) <= 8  # of x: two chunks; or the three before a run, the first and the next, and weights


@pytest.mark.slow
@pytest.mark.parametrize(("width", "reverse"), [(4, False), (3, True), (2, False)])
@pytest.mark.parametrize("channels_last", [True, False])
def test_the_compilers_ir_computes_what_the_reference_computes(
    channels_last: bool, width: int, reverse: bool, compiled: Compile
) -> None:
    case = trial.ConvCase(torch.device("cpu"), torch.float32, torch.float32, width, True, reverse, channels_last)
    inputs, (dy_BDL, dfinal_BDS) = trial.example_inputs(case), trial.example_gradients(case)
    found: dict[str, Tensor] = {}
    for function, arguments in (
        (backend.forward, (inputs, case.options)),
        (backend.backward, (dy_BDL, dfinal_BDS, inputs, case.options)),
    ):
        for launch in launches(function, *arguments):
            kernel = compiled(launch, 90)
            evaluate(kernel.ttgir, [launch.arguments[name] for name in kernel.parameters], launch.grid)
            found |= {name: value for name, value in launch.arguments.items() if isinstance(value, Tensor)}
    names = ("p_y", "p_final", "p_dx", "p_dweight", "p_dbias", "p_dinitial")
    gradients = reference.backward(dy_BDL, dfinal_BDS, inputs, case.options)
    expected = dict(zip(names, (*reference.forward(inputs, case.options), *gradients), strict=True))
    torch.testing.assert_close({name: found[name] for name in names}, expected, rtol=1e-4, atol=1e-4)


def test_other_sizes_need_no_other_kernel() -> None:
    ours = [launch for launch in _training(torch.float32, True) if launch.kernel.__name__.startswith("causal_conv1d")]
    for launch in ours:
        parameters = [parameter for parameter in launch.kernel.params if not parameter.is_constexpr]
        sizes = [parameter for parameter in parameters if isinstance(launch.arguments[parameter.name], int)]
        assert sizes
        assert all(parameter.do_not_specialize for parameter in sizes)


def test_partial_sums_of_weight_gradients_take_little_memory() -> None:
    for dtype, channels_last in product((torch.float32, torch.bfloat16), (True, False)):
        backward = _training(dtype, channels_last)[1]
        partial, dx = backward.arguments["p_partial"], backward.arguments["p_dx"]
        assert partial.nbytes <= dx.nbytes / 8


def test_it_names_the_reason_why_it_is_unavailable() -> None:
    assert backend.unavailable_reason(torch.device("cuda")) is None
    assert "interpreter" in str(backend.unavailable_reason(torch.device("cpu")))
    assert "xpu" in str(backend.unavailable_reason(torch.device("xpu")))


@cache
def _training(
    dtype: torch.dtype, channels_last: bool, reverse: bool = False, states: bool = False
) -> tuple[Launch, Launch, Launch]:
    """Forward, backward and the sum of partial sums, for the convolution of a Mamba-2 block."""
    sum_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    state = torch.zeros(BATCH, CHANNELS, 3, dtype=dtype) if states else None
    inputs = ConvInputs(
        _sequence(PROJECTION, dtype, channels_last),
        torch.zeros(CHANNELS, 4, dtype=sum_dtype),
        torch.zeros(CHANNELS, dtype=sum_dtype),
        state,
    )
    options = ConvOptions(silu=True, reverse=reverse)
    (forward,) = launches(backend.forward, inputs, options)
    dy_BDL = _sequence(CHANNELS, dtype, channels_last)
    backward, total = launches(backend.backward, dy_BDL, state, inputs, options)
    return forward, backward, total


def _sequence(width: int, dtype: torch.dtype, channels_last: bool) -> Tensor:
    """The last channels of a wider tensor, not copied."""
    if channels_last:
        return torch.zeros(BATCH, LENGTH, width, dtype=dtype)[:, :, -CHANNELS:].transpose(1, 2)
    return torch.zeros(BATCH, width, LENGTH, dtype=dtype)[:, -CHANNELS:]
