"""The Triton back end of causal_conv1d in Triton's interpreter, against the reference in float64.

Run in a process of its own, with TRITON_INTERPRET=1: a process that interprets kernels cannot compile them. The
interpreter does not see a missing mask, so every result is made of NaN between two canaries, and inputs lie in NaN.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from unittest import mock

import torch
from torch import Tensor

from seizurekit.kernels.causal_conv1d import reference, triton

TOLERANCE = {torch.float64: (1e-12, 1e-12), torch.float32: (1e-5, 1e-5), torch.float16: (2e-3, 1e-3)}
"""Of an element: relative, absolute. Of float16 half a unit in the last place, and what a cancelling sum leaves."""

CANARY, GUARD = 12345.0, 32


@dataclass(frozen=True)
class Case:
    """One call, forward and backward."""

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


def edges(channels_last: bool) -> Iterator[Case]:
    """Shapes that cross every edge of a tile, and others that fill no tile, in both directions."""
    half, single = torch.float16, torch.float32
    crossing = (1, 66, 131) if channels_last else (2, 5, 523)
    for (width, reverse), dtype in zip(product((4, 3, 2), (False, True)), (single, half) * 3, strict=True):
        if width == 4 or reverse:
            yield Case(crossing, channels_last, width, reverse, dtype)
        for length in (1, 2, 3, 5):
            yield Case((1, 3, length), channels_last, width, reverse, single if dtype == half else half)
    for reverse in (False, True):
        yield Case((2, 8, 40), channels_last, 4, reverse, half, half, dy="expanded")
        yield Case((1, 5, 33), channels_last, 4, reverse, silu=False, bias=False, states=False, dy="other layout")
        yield Case((1, 4, 32), channels_last, 3, reverse, torch.float64, torch.float64)
        yield Case((3, 1, 9), channels_last, 2, reverse, bias=False, dy="slice")
    if not channels_last:
        yield Case((1, 1, 1030), channels_last, 4, True, half)


def check(case: Case) -> None:
    """One case; raises AssertionError."""
    (batch, channels, _), states = case.shape, case.width - 1
    x_BDL = _sequence(case.shape, case.dtype, case.channels_last)
    weight_DW = _in_nan((channels, case.width), case.weight_dtype)
    bias_D = _in_nan((channels,), case.weight_dtype) if case.bias else None
    initial_BDS = _in_nan((batch, channels, states), case.dtype) if case.states else None
    dfinal_BDS = _in_nan((batch, channels, states), case.dtype) if case.states else None
    dy_BDL = _gradient(case)
    call = (x_BDL, weight_DW, bias_D, initial_BDS)
    with _guarded():
        found = triton.forward(*call, case.silu, case.reverse)
        found += triton.backward(dy_BDL, *call, dfinal_BDS, case.silu, case.reverse, True)
    wide = [None if tensor is None else tensor.double() for tensor in (dy_BDL, *call, dfinal_BDS)]
    wanted = reference.forward(*wide[1:5], case.silu, case.reverse)
    wanted += reference.backward(*wide, case.silu, case.reverse, True)
    names = ("y", "final", "dx", "dweight", "dbias", "dinitial")
    dtypes = (case.dtype, case.dtype, case.dtype, case.weight_dtype, case.weight_dtype, case.dtype)
    for name, one, other, dtype in zip(names, found, wanted, dtypes, strict=True):
        _agrees(f"{name} of {case}", one, other, dtype)
    for tensor in (found[0], found[2]):
        if tensor.shape[1] > 1 and tensor.shape[2] > 1:
            assert reference.channels_last(tensor) == reference.channels_last(x_BDL), case


def check_update(width: int, columns: int, dtype: torch.dtype, silu: bool) -> None:
    """The step of streaming, twice; x has its batch innermost."""
    x_BD = torch.randn(19, 3).to(dtype).t()
    weight_DW, bias_D = _in_nan((19, width), torch.float32), _in_nan((19,), torch.float32) if silu else None
    state_BDN = _in_nan((3, 19, columns), dtype)
    wide = state_BDN.double()
    for _ in range(2):
        with _guarded():
            y_BD = triton.update(x_BD, state_BDN, weight_DW, bias_D, silu)
        bias = None if bias_D is None else bias_D.double()
        _agrees("y", y_BD, reference.update(x_BD.double(), wide, weight_DW.double(), bias, silu), dtype)
        assert torch.equal(state_BDN.double(), wide), f"state of {columns} columns, width {width}"
    assert state_BDN.untyped_storage().nbytes() > state_BDN.nbytes
    around = state_BDN.as_strided((2, GUARD), (GUARD + state_BDN.numel(), 1), 0)
    assert around.isnan().all()


def check_empty(channels_last: bool) -> None:
    """Sequences without an element: the state goes through, gradients are zeros."""
    for shape in ((0, 3, 5), (2, 0, 5), (2, 3, 0)):
        check(Case(shape, channels_last))


def check_large_offsets(channels_last: bool) -> None:
    """A batch whose second sequence begins beyond 2**31 elements; only the pages that are used exist."""
    far = 2**31 + 64
    memory = torch.empty(far + 64, dtype=torch.float16)
    strides = (far, 1, 4) if channels_last else (far, 9, 1)
    x_BDL = memory.as_strided((2, 4, 9), strides)
    x_BDL.copy_(torch.randn(2, 4, 9))
    weight_DW = torch.randn(4, 4)
    y_BDL, _ = triton.forward(x_BDL, weight_DW, None, None, True, False)
    dx_BDL, *_ = triton.backward(x_BDL, x_BDL, weight_DW, None, None, None, True, False, True)
    wide = (x_BDL.double(), weight_DW.double(), None, None)
    _agrees("y", y_BDL, reference.forward(*wide, True, False)[0], torch.float16)
    wanted, *_ = reference.backward(wide[0], *wide, None, True, False, True)
    _agrees("dx", dx_BDL, wanted, torch.float16)


def _agrees(name: str, found: Tensor | None, wanted: Tensor | None, dtype: torch.dtype) -> None:
    if wanted is None or found is None:
        assert wanted is found, f"{name}: found {found}, wanted {wanted}"
        return
    assert found.dtype == dtype, f"{name}: found {found.dtype}, wanted {dtype}"
    relative, absolute = TOLERANCE[dtype]
    torch.testing.assert_close(found.double(), wanted, rtol=relative, atol=absolute, msg=lambda text: f"{name}: {text}")


def _gradient(case: Case) -> Tensor:
    """dy in x's layout, in the other one, as a slice of something wider, or one number for all."""
    if case.dy == "expanded":
        return torch.ones((), dtype=case.dtype).expand(case.shape)
    if case.dy == "slice":
        return _sequence(case.shape, case.dtype, case.channels_last, margin=5)
    return _sequence(case.shape, case.dtype, case.channels_last != (case.dy == "other layout"), margin=0)


def _sequence(shape: tuple[int, int, int], dtype: torch.dtype, channels_last: bool, margin: int = 3) -> Tensor:
    """Noise as a slice, at an odd offset, of rows that are wider than it by `margin` NaN on either side."""
    batch, channels, length = shape
    rows, inner = (length, channels) if channels_last else (channels, length)
    wide = torch.full((batch, rows, inner + 2 * margin), math.nan, dtype=dtype)
    narrow = wide[:, :, margin : margin + inner]
    narrow.copy_(torch.randn(narrow.shape))
    return narrow.transpose(1, 2) if channels_last else narrow


def _in_nan(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Noise, dense, between NaN."""
    count = math.prod(shape)
    memory = torch.full((count + 2 * GUARD,), math.nan, dtype=dtype)
    memory[GUARD : GUARD + count] = torch.randn(count)
    return memory[GUARD : GUARD + count].view(shape)


@contextmanager
def _guarded() -> Iterator[None]:
    """What is allocated meanwhile is full of NaN, and nothing may be written beside it."""
    made: list[Tensor] = []

    def empty(*shape: object, dtype: torch.dtype = torch.float32, device: object = None) -> Tensor:
        sizes = tuple(shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)
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
        assert (edges_of_memory == canary).all(), "an element beside the result was written"
        assert not memory.isnan().any(), "an element that no kernel wrote"


def main(part: str) -> None:
    """Everything of one layout, or the step of streaming."""
    torch.manual_seed(4)
    assert triton.why_not(torch.device("cpu")) is None
    if part == "update":
        for width, silu in ((2, True), (3, False), (4, True)):
            for columns in (width - 1, width + 3):
                check_update(width, columns, torch.float32 if silu else torch.float16, silu)
        return
    channels_last = part == "channels last"
    for case in edges(channels_last):
        check(case)
    with mock.patch.object(triton, "SUM_PARTS", 2):  # more parts than are added at once
        check(Case((5, 3, 4), channels_last))
    check_empty(channels_last)
    check_large_offsets(channels_last)


if __name__ == "__main__":
    main(sys.argv[1])
    print("equal")
