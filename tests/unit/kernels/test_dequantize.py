"""int16 to floating point: the reference against float64, and how the Triton kernel compiles.

test_causal_conv1d_triton.py compares the Triton kernel with the reference, in the interpreter.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seizurekit.kernels.dequantize.reference import dequantize_reference
from seizurekit.ops.dequantize import dequantize, dequantize_triton

DTYPES = (torch.float32, torch.float16, torch.bfloat16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_integer_is_rounded_once(dtype: torch.dtype) -> None:
    x = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16).reshape(2, 128, 256)
    for step in (1 / 512, 2.0**-20):
        expected = (x.to(torch.float64) * step).to(dtype)
        assert torch.equal(dequantize(x, step, dtype), expected)
        assert torch.equal(dequantize_reference(x, step, dtype), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_triton_kernel_compiles_without_a_spill_and_with_wide_accesses(
    dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    from compiled_kernels import CAPABILITIES, compile_launch, launches

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    (launch,) = launches(dequantize_triton, torch.zeros(2, 19, 15360, dtype=torch.int16), 1 / 512, dtype)
    for capability in CAPABILITIES:
        compiled = compile_launch(launch, capability, tmp_path)
        assert compiled.spilled == 0
        assert compiled.registers <= 64
        assert compiled.loads(128) >= 1
        assert compiled.stores(128) >= 1
