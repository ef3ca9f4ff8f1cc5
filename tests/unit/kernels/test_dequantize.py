"""Fixed point to floating point: the reference against float64, and the Triton kernel, interpreted, against it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

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


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_the_triton_kernel_equals_the_reference_in_tritons_interpreter() -> None:
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", INTERPRETED]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout == "equal\n", done.stderr
