"""Our Triton kernels in Triton's interpreter, against their references.

Runs in a process of its own, with TRITON_INTERPRET=1: a process that interprets kernels cannot compile them. The
interpreter does not detect a missing mask, so inputs are surrounded by NaN, and results start as NaN between canaries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from seizurekit.kernels.causal_conv1d import reference
from seizurekit.kernels.causal_conv1d.contract import ConvInputs, ConvOptions
from seizurekit.kernels.causal_conv1d.layout import channels_last as is_channels_last
from seizurekit.kernels.dequantize.reference import dequantize_reference
from seizurekit.ops.causal_conv1d import triton
from seizurekit.ops.dequantize import dequantize_triton

TOLERANCE = {torch.float64: (1e-12, 1e-12), torch.float32: (1e-5, 1e-5), torch.float16: (2e-3, 1e-3)}
"""Relative and absolute; for float16 half a unit in the last place, and the error of sums that cancel."""

CANARY, GUARD = 12345.0, 32


@dataclass(frozen=True)
class Case:
    """One call, forward and backward; `dy`: dense, or a slice of a wider tensor."""

    shape: tuple[int, int, int]
    channels_last: bool
    width: int = 4
    reverse: bool = False
    dtype: torch.dtype = torch.float32
    weight_dtype: torch.dtype = torch.float32
    silu: bool = True
    bias: bool = True
    states: bool = True
    dy: str = "dense"


def cases(channels_last: bool) -> Iterator[Case]:
    """Signals of several tiles in every dimension, and signals no longer than the state, in both directions."""
    half, single = torch.float16, torch.float32
    crossing = (1, 66, 131) if channels_last else (1, 5, 523)
    for (width, reverse), dtype in zip(product((4, 3, 2), (False, True)), (single, half) * 3, strict=True):
        if width == 4 or reverse:
            yield Case(crossing, channels_last, width, reverse, dtype)
        for length in range(1, width):
            yield Case((1, 3, length), channels_last, width, reverse, single if dtype == half else half)
    for reverse in (False, True):
        yield Case((2, 8, 8), channels_last, 4, reverse, half, half)
        yield Case((1, 5, 33), channels_last, 4, reverse, silu=False, bias=False, states=False)
        yield Case((1, 4, 32), channels_last, 3, reverse, torch.float64, torch.float64)
        yield Case((1, 1, 9), channels_last, 2, reverse, bias=False, dy="slice")
    if not channels_last:
        yield Case((1, 1, 1030), channels_last, 4, True, half)


def check(case: Case) -> None:
    """One case; raises AssertionError."""
    (batch, channels, _), states = case.shape, case.width - 1
    inputs = ConvInputs(
        _sequence(case.shape, case.dtype, case.channels_last),
        _in_nan((channels, case.width), case.weight_dtype),
        _in_nan((channels,), case.weight_dtype) if case.bias else None,
        _in_nan((batch, channels, states), case.dtype) if case.states else None,
    )
    dfinal_BDS = _in_nan((batch, channels, states), case.dtype) if case.states else None
    dy_BDL = _sequence(case.shape, case.dtype, case.channels_last, margin=5 if case.dy == "slice" else 0)
    options = ConvOptions(case.silu, case.reverse)
    with _guarded():
        results = (*triton.forward(inputs, options), *triton.backward(dy_BDL, dfinal_BDS, inputs, options))
    exact = ConvInputs._make(None if t is None else t.double() for t in inputs)
    dfinal64 = None if dfinal_BDS is None else dfinal_BDS.double()
    expected = (
        *reference.forward(exact, options),
        *reference.backward(dy_BDL.double(), dfinal64, exact, options),
    )
    names = ("y", "final", "dx", "dweight", "dbias", "dinitial")
    dtypes = (case.dtype, case.dtype, case.dtype, case.weight_dtype, case.weight_dtype, case.dtype)
    for name, one, other, dtype in zip(names, results, expected, dtypes, strict=True):
        _assert_close(f"{name} of {case}", one, other, dtype)
    for tensor in (results[0], results[2]):
        if tensor.shape[1] > 1 and tensor.shape[2] > 1:
            assert is_channels_last(tensor) == is_channels_last(inputs.x_BDL), case


def check_update(width: int, columns: int, dtype: torch.dtype, silu: bool) -> None:
    """Two streaming steps; the batch of x is innermost in memory."""
    x_BD = torch.randn(19, 3).to(dtype).t()
    inputs = ConvInputs(x_BD[:, :, None], _in_nan((19, width), torch.float32), _in_nan((19,), torch.float32))
    if not silu:
        inputs = inputs._replace(bias_D=None)
    exact = ConvInputs._make(None if t is None else t.double() for t in inputs)
    state_BDN = _in_nan((3, 19, columns), dtype)
    expected_state = state_BDN.double()
    for _ in range(2):
        with _guarded():
            y_BD1 = triton.update(inputs, state_BDN, ConvOptions(silu))
        _assert_close("y", y_BD1, reference.update(exact, expected_state, ConvOptions(silu)), dtype)
        assert torch.equal(state_BDN.double(), expected_state), f"state of {columns} columns, width {width}"
    assert state_BDN.untyped_storage().nbytes() > state_BDN.nbytes
    around = state_BDN.as_strided((2, GUARD), (GUARD + state_BDN.numel(), 1), 0)
    assert around.isnan().all()


def check_large_offsets(channels_last: bool) -> None:
    """A batch whose second sequence starts beyond 2**31 elements; only the pages that are used exist."""
    far = 2**31 + 64
    memory = torch.empty(far + 64, dtype=torch.float16)
    strides = (far, 1, 4) if channels_last else (far, 9, 1)
    x_BDL = memory.as_strided((2, 4, 9), strides)
    x_BDL.copy_(torch.randn(2, 4, 9))
    inputs, options = ConvInputs(x_BDL, torch.randn(4, 4)), ConvOptions(silu=True)
    exact = ConvInputs(x_BDL.double(), inputs.weight_DW.double())
    _assert_close("y", triton.forward(inputs, options)[0], reference.forward(exact, options)[0], torch.float16)
    dx_BDL = triton.backward(x_BDL, None, inputs, options).dx_BDL
    expected = reference.backward(exact.x_BDL, None, exact, options).dx_BDL
    _assert_close("dx", dx_BDL, expected, torch.float16)


def check_dequantize(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Every element equals the reference."""
    x = torch.randint(-32768, 32768, shape, dtype=torch.int16)
    result = dequantize_triton(x, 1 / 512, dtype)
    assert result.shape == x.shape
    assert result.dtype == dtype
    assert torch.equal(result, dequantize_reference(x, 1 / 512, dtype))


def _assert_close(name: str, result: Tensor | None, expected: Tensor | None, dtype: torch.dtype) -> None:
    if expected is None or result is None:
        assert expected is result, f"{name} is {result}, expected {expected}"
        return
    assert result.dtype == dtype, f"{name}: dtype is {result.dtype}, expected {dtype}"
    rtol, atol = TOLERANCE[dtype]
    torch.testing.assert_close(result.double(), expected, rtol=rtol, atol=atol, msg=lambda text: f"{name}: {text}")


def _sequence(shape: tuple[int, int, int], dtype: torch.dtype, channels_last: bool, margin: int = 3) -> Tensor:
    """Noise as a slice of rows with `margin` NaN on each side."""
    batch, channels, length = shape
    rows, inner = (length, channels) if channels_last else (channels, length)
    wide = torch.full((batch, rows, inner + 2 * margin), math.nan, dtype=dtype)
    narrow = wide[:, :, margin : margin + inner]
    narrow.copy_(torch.randn(narrow.shape))
    return narrow.transpose(1, 2) if channels_last else narrow


def _in_nan(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Dense noise between NaN."""
    count = math.prod(shape)
    memory = torch.full((count + 2 * GUARD,), math.nan, dtype=dtype)
    memory[GUARD : GUARD + count] = torch.randn(count)
    return memory[GUARD : GUARD + count].view(shape)


@contextmanager
def _guarded() -> Iterator[None]:
    """New tensors start as NaN between canaries; checks that every element and nothing else is written."""
    made: list[Tensor] = []

    def empty(*shape: Any, dtype: torch.dtype = torch.float32, device: object = None) -> Tensor:
        sizes: tuple[int, ...] = tuple(shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)
        count = math.prod(sizes)
        memory = torch.full((count + 2 * GUARD,), CANARY, dtype=dtype)
        memory[GUARD : GUARD + count] = math.nan
        made.append(memory)
        return memory[GUARD : GUARD + count].view(sizes)

    like: Callable[[Tensor], Tensor] = lambda tensor: empty(tuple(tensor.shape), dtype=tensor.dtype)  # noqa: E731
    with mock.patch.object(torch, "empty", empty), mock.patch.object(torch, "empty_like", like):
        yield
    for memory in made:
        canary = torch.tensor(CANARY, dtype=memory.dtype)
        edges_of_memory = torch.cat((memory[:GUARD], memory[-GUARD:]))
        assert (edges_of_memory == canary).all(), "an element outside a result was written"
        assert not memory.isnan().any(), "an element of a result was not written"


def main() -> None:
    """All kernels."""
    torch.manual_seed(4)
    assert triton.unavailable_reason(torch.device("cpu")) is None
    for channels_last in (True, False):
        for case in cases(channels_last):
            check(case)
        with mock.patch.object(triton, "SUM_PARTS", 2):  # fewer partial sums per iteration than there are
            check(Case((3, 3, 4), channels_last, width=2))
        check_large_offsets(channels_last)
    for width, silu in ((2, True), (3, False), (4, True)):
        for columns in (width - 1, width + 3):
            check_update(width, columns, torch.float32 if silu else torch.float16, silu)
    for shape, dtype in product(((1,), (3, 19, 700), (4096,), (2, 4097), (0, 5)), (torch.float32, torch.float16)):
        check_dequantize(shape, dtype)


if __name__ == "__main__":
    main()
    print("equal")
