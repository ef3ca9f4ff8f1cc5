"""The back ends on a real GPU: shapes of the detector, slices, streams and CUDA graphs. Skipped without one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
import torch
from torch import Tensor

import seizurekit as sk
from seizurekit.config import ModelConfig
from seizurekit.kernels.dequantize.reference import dequantize_reference
from seizurekit.models.detector import build
from seizurekit.ops import dispatch
from seizurekit.ops.causal_conv1d.backends import CAUSAL_CONV1D
from seizurekit.ops.comparison import TOLERANCES
from seizurekit.ops.dequantize import dequantize
from seizurekit.training.seeding import seed_batch, seed_everything

if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
BATCH, CHANNELS, LENGTH = 4, 1152, 960


@pytest.fixture(params=["cuda-package", "triton", "cuda"])
def backend(request: pytest.FixtureRequest) -> str:
    reason = dispatch.import_failure(CAUSAL_CONV1D, request.param, torch.device("cuda"))
    if reason is not None:
        pytest.skip(f"{request.param}: {reason}")
    return str(request.param)


def sequence(dtype: torch.dtype, channels_last: bool, offset: int = 0) -> Tensor:
    """Random values [B, D, L], as a slice at an offset of a wider tensor."""
    rows, inner = (LENGTH, CHANNELS) if channels_last else (CHANNELS, LENGTH)
    x = torch.randn(BATCH, rows, inner + 8, device="cuda").to(dtype)[:, :, offset : offset + inner]
    return x.transpose(1, 2) if channels_last else x


def results(tensors: Sequence[Tensor], reverse: bool, backend: str) -> list[Tensor]:
    """y and the gradients, for the tensors x, weight, bias and dy."""
    x, weight, bias = leaves = [t.detach().requires_grad_() for t in tensors[:3]]
    y = sk.ops.causal_conv1d(x, weight, bias, "silu", reverse=reverse, backend=backend)
    return [y.detach(), *torch.autograd.grad(y, leaves, tensors[3])]


@pytest.mark.parametrize(("dtype", "channels_last", "offset"), list(product(DTYPES, (True, False), (0, 3))), ids=str)
def test_shapes_of_the_detector_equal_the_reference(
    dtype: torch.dtype, channels_last: bool, offset: int, backend: str
) -> None:
    if backend == "cuda-package" and offset:
        pytest.skip("causal-conv1d reads slices with 16-byte accesses, whatever their address")
    torch.manual_seed(0)
    x, dy = sequence(dtype, channels_last, offset), sequence(dtype, channels_last)
    weight, bias = torch.randn(CHANNELS, 4, device="cuda"), torch.randn(CHANNELS, device="cuda")
    for reverse in (False, True) if backend != "cuda-package" else (False,):
        found = results((x, weight, bias, dy), reverse, backend)
        expected = results([t.double() for t in (x, weight, bias, dy)], reverse, "torch")
        rtol, atol = TOLERANCES[dtype]
        for result, right in zip(found, expected, strict=True):
            scale = max(1.0, right.abs().max().item())
            torch.testing.assert_close(result.double(), right, rtol=rtol, atol=atol * scale)


@pytest.mark.parametrize("channels_last", [True, False])
def test_gradients_are_the_same_in_every_run(channels_last: bool, backend: str) -> None:
    if backend == "cuda-package":
        pytest.skip("only with torch.use_deterministic_algorithms")
    x, dy = sequence(torch.bfloat16, channels_last), sequence(torch.bfloat16, channels_last)
    weight, bias = torch.randn(CHANNELS, 4, device="cuda"), torch.randn(CHANNELS, device="cuda")
    first = results((x, weight, bias, dy), False, backend)
    for _ in range(3):
        again = results((x, weight, bias, dy), False, backend)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_cuda_graph_on_another_stream_computes_the_same(backend: str) -> None:
    x, weight = sequence(torch.bfloat16, True), torch.randn(CHANNELS, 4, device="cuda")
    expected = sk.ops.causal_conv1d(x, weight, backend=backend)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = sk.ops.causal_conv1d(x, weight, backend=backend)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(y, expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dequantized_batches_equal_the_reference(dtype: torch.dtype) -> None:
    x = torch.randint(-32768, 32768, (32, 19, 15360), dtype=torch.int16, device="cuda")
    assert torch.equal(dequantize(x, 1 / 512, dtype), dequantize_reference(x, 1 / 512, dtype))


def test_a_deterministic_training_step_computes_the_same_in_every_run() -> None:
    with seed_everything(0, deterministic=True):
        model = build(ModelConfig(size="tiny", dropout=0.1)).to("cuda")
        x_BCT = torch.randn(32, 19, 7680, device="cuda")
        runs = []
        for _ in range(3):
            seed_batch(0, epoch=0, before=0, rank=0)
            model.zero_grad()
            logits_BT = model(x_BCT)
            torch.cos(logits_BT).sum().backward()
            gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
            runs.append({"logits": logits_BT.detach(), **gradients})
    different = {name for run in runs[1:] for name, tensor in run.items() if not torch.equal(tensor, runs[0][name])}
    assert not different
