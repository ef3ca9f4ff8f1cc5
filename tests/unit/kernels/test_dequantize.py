"""Fixed point to floating point: the reference against float64, the Triton kernel against it, and how that compiles."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seizurekit.kernels.dequantize import dequantize
from seizurekit.kernels.dequantize.reference import dequantize_reference

DTYPES = (torch.float32, torch.float16, torch.bfloat16)

INTERPRETED = """
import torch
from seizurekit.kernels.dequantize.reference import dequantize_reference
from seizurekit.kernels.dequantize.triton import dequantize_triton
for shape in ((1,), (3, 19, 700), (4096,), (2, 4097), (0, 5)):
    x = torch.randint(-32768, 32768, shape, dtype=torch.int16)
    for dtype in (torch.float32, torch.float16):  # the interpreter truncates to bfloat16
        found = dequantize_triton(x, 1 / 512, dtype)
        assert found.shape == x.shape and found.dtype == dtype
        assert torch.equal(found, dequantize_reference(x, 1 / 512, dtype))
print("equal")
"""


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_integer_is_rounded_once(dtype: torch.dtype) -> None:
    x = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).reshape(2, 128, 256)
    for step in (1 / 512, 2.0**-20):
        wanted = (x.to(torch.float64) * step).to(dtype)
        assert torch.equal(dequantize(x, step, dtype), wanted)
        assert torch.equal(dequantize_reference(x, step, dtype), wanted)


def test_the_triton_kernel_equals_the_reference_in_tritons_interpreter() -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", INTERPRETED]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout == "equal\n", done.stderr


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_triton_kernel_compiles_without_a_spill_and_with_wide_accesses(
    dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    from compiled_kernels import CAPABILITIES, compile_launch, launches
    from seizurekit.kernels.dequantize.triton import dequantize_triton

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    (launch,) = launches(dequantize_triton, torch.zeros(2, 19, 15360, dtype=torch.int16), 1 / 512, dtype)
    for capability in CAPABILITIES:
        compiled = compile_launch(launch, capability, tmp_path)
        assert compiled.spilled == 0
        assert compiled.registers <= 64
        assert compiled.loads(128) >= 1
        assert compiled.stores(128) >= 1
