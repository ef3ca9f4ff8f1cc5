"""The convolution in C++ against the reference in float64: shapes, strides, precisions, instruction sets, threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seizurekit._core import support
from seizurekit.kernels.causal_conv1d import native, reference

LENGTHS = (1, 2, 3, 4, 5, 8, 16, 31, 33, 64, 129, 130, 151, 372, 512, 1024, 1134, 2048)
TOLERANCES = {
    torch.float64: (1e-9, 1e-9),
    torch.float32: (1e-5, 1e-5),
    torch.float16: (2e-3, 1e-3),
    torch.bfloat16: (1e-2, 1e-2),
}
"""Far within those of the package causal-conv1d."""


@pytest.fixture(params=support.isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every instruction set of this processor in turn."""
    before = support.build_config()["isa"]
    support.use_isa(request.param)
    yield request.param
    support.use_isa(before)


@pytest.fixture(autouse=True)
def _outputs_begin_as_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no kernel writes is found."""

    def filled(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda *arguments, **keywords: make(*arguments, **keywords).fill_(torch.nan)

    monkeypatch.setattr(torch, "empty", filled(torch.empty))
    monkeypatch.setattr(torch, "empty_like", filled(torch.empty_like))


def sliced(x: Tensor, channels_last: bool) -> Tensor:
    """The same numbers inside a wider tensor of NaN, as a slice of a projection lies."""
    batch, channels, length = x.shape
    if channels_last:
        wide = x.new_full((batch, length + 2, channels + 5), torch.nan)
        place = wide[:, 1:-1, 3 : 3 + channels].transpose(1, 2)
    else:
        wide = x.new_full((batch, channels + 2, length + 5), torch.nan)
        place = wide[:, 1:-1, 2 : 2 + length]
    return place.copy_(x)


def check(
    shape: tuple[int, int, int],
    width: int,
    *,
    dtype: torch.dtype = torch.float32,
    silu: bool = True,
    reverse: bool = False,
    channels_last: bool = True,
    states: bool = True,
    bias: bool = True,
) -> None:
    """Forward and backward of a case equal the reference's in float64."""
    batch, channels, length = shape
    generator = torch.Generator().manual_seed(length * 7 + channels)

    def random(*size: int, of: torch.dtype = dtype) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64).to(of)

    weights = torch.float64 if dtype == torch.float64 else torch.float32
    x, dy = (sliced(random(*shape), channels_last) for _ in range(2))
    weight, offset = random(channels, width, of=weights), random(channels, of=weights) if bias else None
    initial = random(batch, channels, width - 1) if states else None
    dfinal = random(batch, channels, width - 1) if states else None
    exact = [None if t is None else t.double() for t in (x, weight, offset, initial)]
    found = native.forward(x, weight, offset, initial, silu, reverse)
    wanted = reference.forward(*exact, silu, reverse)
    found += native.backward(dy, x, weight, offset, initial, dfinal, silu, reverse, False)
    dfinal64 = None if dfinal is None else dfinal.double()
    wanted += reference.backward(dy.double(), *exact, dfinal64, silu, reverse, False)
    rtol, atol = TOLERANCES[dtype]
    for name, result, right in zip(("y", "final", "dx", "dweight", "dbias", "dinitial"), found, wanted, strict=True):
        if right is None:
            assert result is None
            continue
        assert result.dtype == (weights if name in ("dweight", "dbias") else dtype)
        # Sums over batch and length are as exact as their terms, whose number and size count.
        scale = max(1.0, right.abs().max().item()) if name in ("dweight", "dbias") else 1.0
        torch.testing.assert_close(result.double(), right, rtol=rtol, atol=atol * scale, msg=lambda m: f"{name}: {m}")  # noqa: B023
    if min(shape[1:]) > 1:
        assert reference.channels_last(found[0]) == reference.channels_last(x)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("channels_last", [True, False])
def test_every_length_equals_the_reference(length: int, channels_last: bool, isa: str) -> None:
    channels = (1, 3, 19, 129)[length % 4]
    for width, reverse in ((4, False), (4, True), (2 + length % 2, length % 3 == 0)):
        check((2, channels, length), width, reverse=reverse, channels_last=channels_last, silu=length % 5 != 0)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("channels_last", [True, False])
def test_every_precision_equals_the_reference(dtype: torch.dtype, channels_last: bool, isa: str) -> None:
    for length, reverse in ((5, False), (70, True), (600, False)):
        check((2, 37, length), 4, dtype=dtype, reverse=reverse, channels_last=channels_last)


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 80)),
    width=st.integers(2, 4),
    dtype=st.sampled_from(list(TOLERANCES)),
    silu=st.booleans(),
    reverse=st.booleans(),
    channels_last=st.booleans(),
    states=st.booleans(),
    bias=st.booleans(),
)
@settings(max_examples=150)
def test_any_case_equals_the_reference(
    shape: tuple[int, int, int], width: int, dtype: torch.dtype, **flags: bool
) -> None:
    check(shape, width, dtype=dtype, **flags)


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_number_of_threads_changes_no_bit(channels_last: bool) -> None:
    x = torch.randn(3, 150, 1500)
    x = x.transpose(1, 2).contiguous().transpose(1, 2) if channels_last else x
    weight, bias, dy = torch.randn(150, 4), torch.randn(150), torch.randn_like(x)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            forward = native.forward(x, weight, bias, None, True, False)
            results.append((*forward, *native.backward(dy, x, weight, bias, None, None, True, False, False)[:3]))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_gradient_of_any_strides_is_taken(channels_last: bool) -> None:
    x = torch.randn(2, 6, 9)
    x = x.transpose(1, 2).contiguous().transpose(1, 2) if channels_last else x
    weight = torch.randn(6, 4)
    plain = torch.randn(2, 6, 9)
    for dy in (
        torch.ones(()).expand(2, 6, 9),
        plain,
        plain.transpose(1, 2).contiguous().transpose(1, 2),
        plain[:, :1].expand(2, 6, 9),
    ):
        found = native.backward(dy, x, weight, None, None, None, True, False, False)
        wanted = reference.backward(dy, x, weight, None, None, None, True, False, False)
        torch.testing.assert_close(found[:2], wanted[:2])


def identity(x: Tensor) -> Tensor:
    """Each number through the kernels' conversions to float32 and back: a filter of one tap that is 1."""
    weight = torch.zeros(x.shape[1], 2)
    weight[:, 1] = 1
    return native.forward(x, weight, None, None, False, False)[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_all_numbers_of_half_precision_come_through_unchanged(dtype: torch.dtype, isa: str) -> None:
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    x = bits.view(dtype)
    # Alone in its channel: a neighbour that is infinite would make it NaN.
    found = identity(x.reshape(1, -1, 1))[0, :, 0]
    assert torch.equal(found.isnan(), x.isnan())
    assert torch.equal(found[~x.isnan()], x[~x.isnan()])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_results_are_rounded_to_half_precision_as_torch_does(dtype: torch.dtype, isa: str) -> None:
    # Sums of two halves: everything between neighbouring numbers, ties included, from subnormal to beyond infinity.
    generator = torch.Generator().manual_seed(0)
    exponents = torch.randint(-30, 17, (50_000,), generator=generator).double()
    a = (torch.randn(50_000, generator=generator).double() * 2**exponents).to(dtype)
    b = (a.double() * 2.0 ** torch.randint(-12, 1, (50_000,), generator=generator)).to(dtype)
    x = torch.stack((a, b), dim=1)[None]
    y = native.forward(x, torch.ones(50_000, 2), None, None, False, False)[0]
    wanted = (a.float() + b.float()).to(dtype)
    assert torch.equal(y[0, :, 1], wanted)


def activated(x: Tensor, channels_last: bool) -> tuple[Tensor, Tensor]:
    """SiLU of each number and its derivative, each number alone in its channel."""
    x_BDL = x.reshape(1, -1, 1)
    if channels_last:
        x_BDL = torch.stack((x_BDL[..., 0], torch.zeros_like(x_BDL[..., 0])), dim=1).transpose(1, 2)
    weight = torch.zeros(x_BDL.shape[1], 2)
    weight[:, 1] = 1
    y = native.forward(x_BDL, weight, None, None, True, False)[0]
    dx = native.backward(torch.ones_like(x_BDL), x_BDL, weight, None, None, None, True, False, True)[0]
    return y[0, :, 0], dx[0, :, 0]


@pytest.mark.parametrize("channels_last", [True, False])
def test_silu_is_exact_within_a_few_units_in_the_last_place(channels_last: bool, isa: str) -> None:
    x = torch.linspace(-86, 86, 400_003, dtype=torch.float64).float()
    exact = x.double()
    sigmoid = torch.sigmoid(exact)
    y, dx = activated(x, channels_last)
    torch.testing.assert_close(y.double(), exact * sigmoid, rtol=3 * 2**-23, atol=0)
    # 1 - sigmoid has an error of its own, as in float32 everywhere; it is nothing from 17 on.
    derivative = sigmoid * (1 + exact * (1 - sigmoid))
    torch.testing.assert_close(dx.double(), derivative, rtol=3 * 2**-23, atol=17 * 2**-24)


@pytest.mark.parametrize("channels_last", [True, False])
def test_silu_of_what_is_infinite_huge_or_no_number_is_torchs(channels_last: bool, isa: str) -> None:
    # As many as the lanes of every instruction set, and some more.
    x = torch.tensor([torch.nan, torch.inf, -torch.inf, 3e38, -3e38, 1e30, -1e30, -1e4, 1e4, -90.0] * 5)
    y, dx = activated(x, channels_last)
    torch.testing.assert_close(y, torch.nn.functional.silu(x), equal_nan=True)
    sigmoid = torch.sigmoid(x)
    torch.testing.assert_close(dx, sigmoid * (1 + x * (1 - sigmoid)), equal_nan=True)
