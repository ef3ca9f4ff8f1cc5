"""The Triton kernels of causal_conv1d without a GPU: interpreted against float64, and compiled for four generations."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="triton is not installed")

from compiled_kernels import CAPABILITIES, Launch, compile_launch, launches
from seizurekit.kernels.causal_conv1d import triton as backend

INTERPRETED = Path(__file__).parents[2] / "interpreted_causal_conv1d.py"
BATCH, CHANNELS, LENGTH = 4, 1152, 960
PROJECTION = 2 * 512 + 2 * 128 + 8  # of a Mamba-2 block: a multiple of 8 and not of 16


@pytest.mark.parametrize("part", ["channels last", "length last", "update"])
def test_interpreted_kernels_equal_the_reference_and_write_every_element_and_no_other(part: str) -> None:
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    command = [sys.executable, str(INTERPRETED), part]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout == "equal\n", done.stderr


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize(
    ("dtype", "channels_last"), list(product((torch.float32, torch.bfloat16), (True, False))), ids=str
)
def test_compiled_kernels_spill_nothing_and_make_wide_accesses(
    dtype: torch.dtype, channels_last: bool, capability: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    forward, backward, _ = _training(dtype, channels_last)
    # with channels innermost, 16 bytes of 2-byte elements would need more than 128 registers for the running sums
    for launch, bits in ((forward, 128), (backward, 64 if channels_last and dtype == torch.bfloat16 else 128)):
        compiled = compile_launch(launch, capability, tmp_path)
        assert compiled.spilled == 0
        assert compiled.registers <= 128
        assert compiled.loads(bits) >= 2
        assert compiled.stores(bits) >= 1
        assert compiled.atomics == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("channels_last", [True, False])
def test_the_largest_kernels_fit_into_registers(
    dtype: torch.dtype, channels_last: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    for launch in _training(dtype, channels_last, reverse=True, states=True):
        compiled = compile_launch(launch, 90, tmp_path)
        assert compiled.spilled == 0
        assert compiled.registers <= 128


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_step_of_streaming_compiles(dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    state = torch.zeros(2, 64, 3, dtype=dtype)
    (launch,) = launches(backend.update, state[:, :, 0], state, torch.zeros(64, 4), torch.zeros(64), True)
    compiled = compile_launch(launch, 90, tmp_path)
    assert compiled.spilled == 0
    assert "bar.sync" in compiled.ptx


@pytest.mark.parametrize("channels_last", [True, False])
def test_samples_of_another_lag_come_from_registers(
    channels_last: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    compiled = compile_launch(_training(torch.bfloat16, channels_last)[0], 90, tmp_path)
    assert compiled.shared == 0
    assert compiled.loads(128) <= 8  # of x: two chunks; or the three before a run, the first and the next, and weights


def test_other_sizes_need_no_other_kernel() -> None:
    ours = [launch for launch in _training(torch.float32, True) if launch.kernel.__name__.startswith("causal_conv1d")]
    for launch in ours:
        sizes = [parameter for parameter in launch.kernel.params if not parameter.is_constexpr]
        numbers = [parameter for parameter in sizes if isinstance(launch.arguments[parameter.name], int)]
        assert numbers
        assert all(parameter.do_not_specialize for parameter in numbers)


def test_sums_of_the_weights_gradients_take_little_memory() -> None:
    for dtype, channels_last in product((torch.float32, torch.bfloat16), (True, False)):
        backward = _training(dtype, channels_last)[1]
        partial, dx = backward.arguments["p_partial"], backward.arguments["p_dx"]
        assert partial.nbytes <= dx.nbytes / 8


def test_it_says_where_it_cannot_serve() -> None:
    assert backend.why_not(torch.device("cuda")) is None
    assert "interpreter" in str(backend.why_not(torch.device("cpu")))
    assert "xpu" in str(backend.why_not(torch.device("xpu")))


def _training(
    dtype: torch.dtype, channels_last: bool, reverse: bool = False, states: bool = False
) -> tuple[Launch, Launch, Launch]:
    """Forward, backward and the sum of its parts, of a Mamba-2 block's convolution."""
    x_BDL = _sequence(PROJECTION, dtype, channels_last)
    dy_BDL = _sequence(CHANNELS, dtype, channels_last)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    weight_DW, bias_D = torch.zeros(CHANNELS, 4, dtype=wide), torch.zeros(CHANNELS, dtype=wide)
    state = torch.zeros(BATCH, CHANNELS, 3, dtype=dtype) if states else None
    call = (x_BDL, weight_DW, bias_D, state)
    (forward,) = launches(backend.forward, *call, True, reverse)
    backward, total = launches(backend.backward, dy_BDL, *call, state, True, reverse, True)
    return forward, backward, total


def _sequence(width: int, dtype: torch.dtype, channels_last: bool) -> Tensor:
    """Of so many channels the last ones, without copying them."""
    if channels_last:
        return torch.zeros(BATCH, LENGTH, width, dtype=dtype)[:, :, -CHANNELS:].transpose(1, 2)
    return torch.zeros(BATCH, width, LENGTH, dtype=dtype)[:, -CHANNELS:]
