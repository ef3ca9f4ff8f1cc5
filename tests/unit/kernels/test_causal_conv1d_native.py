"""The convolution in C++ against the reference in float64: shapes, strides, precisions, instruction sets, threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seizurekit._core import support
from seizurekit.kernels.causal_conv1d import reference
from seizurekit.kernels.causal_conv1d.contract import ConvInputs, ConvOptions
from seizurekit.kernels.causal_conv1d.layout import channels_last as is_channels_last
from seizurekit.ops.causal_conv1d import native

LENGTHS = (1, 2, 3, 4, 5, 8, 16, 31, 33, 64, 129, 130, 151, 372, 512, 1024, 1134, 2048)
TOLERANCES = {
    torch.float64: (1e-9, 1e-9),
    torch.float32: (1e-5, 1e-5),
    torch.float16: (2e-3, 1e-3),
    torch.bfloat16: (1e-2, 1e-2),
}
"""Much stricter than those of the package causal-conv1d."""


@pytest.fixture(params=support.isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set of this processor."""
    before = support.build_config()["isa"]
    support.use_isa(request.param)
    yield request.param
    support.use_isa(before)


@pytest.fixture(autouse=True)
def _results_start_as_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes an element that the kernels do not write fail the comparison."""

    def filled(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda *arguments, **keywords: make(*arguments, **keywords).fill_(torch.nan)

    monkeypatch.setattr(torch, "empty", filled(torch.empty))
    monkeypatch.setattr(torch, "empty_like", filled(torch.empty_like))


def as_slice(x: Tensor, channels_last: bool) -> Tensor:
    """A copy of x inside a wider tensor of NaN, like a slice of a projection."""
    batch, channels, length = x.shape
    if channels_last:
        wide = x.new_full((batch, length + 2, channels + 5), torch.nan)
        inner = wide[:, 1:-1, 3 : 3 + channels].transpose(1, 2)
    else:
        wide = x.new_full((batch, channels + 2, length + 5), torch.nan)
        inner = wide[:, 1:-1, 2 : 2 + length]
    return inner.copy_(x)


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

    def random(*size: int, dtype: torch.dtype = dtype) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64).to(dtype)

    sums = torch.float64 if dtype == torch.float64 else torch.float32
    x, dy = (as_slice(random(*shape), channels_last) for _ in range(2))
    weight, offset = random(channels, width, dtype=sums), random(channels, dtype=sums) if bias else None
    initial = random(batch, channels, width - 1) if states else None
    dfinal = random(batch, channels, width - 1) if states else None
    inputs, options = ConvInputs(x, weight, offset, initial), ConvOptions(silu, reverse)
    exact = ConvInputs._make(None if t is None else t.double() for t in inputs)
    dfinal64 = None if dfinal is None else dfinal.double()
    results = (*native.forward(inputs, options), *native.backward(dy, dfinal, inputs, options))
    expected = (*reference.forward(exact, options), *reference.backward(dy.double(), dfinal64, exact, options))
    rtol, atol = TOLERANCES[dtype]
    names = ("y", "final", "dx", "dweight", "dbias", "dinitial")
    for name, result, right in zip(names, results, expected, strict=True):
        if right is None:
            assert result is None
            continue
        assert result is not None
        assert result.dtype == (sums if name in ("dweight", "dbias") else dtype)
        # The rounding error of a sum over batch and length grows with the number and size of its terms.
        scale = max(1.0, right.abs().max().item()) if name in ("dweight", "dbias") else 1.0
        torch.testing.assert_close(result.double(), right, rtol=rtol, atol=atol * scale, msg=lambda m: f"{name}: {m}")  # noqa: B023
    if min(shape[1:]) > 1:
        assert is_channels_last(results[0]) == is_channels_last(x)


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
    inputs, options = ConvInputs(x, torch.randn(150, 4), torch.randn(150)), ConvOptions(silu=True)
    dy = torch.randn_like(x)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append((*native.forward(inputs, options), *native.backward(dy, None, inputs, options)[:3]))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=0, atol=0)


def identity(x: Tensor) -> Tensor:
    """x after the conversion to float32 and back: the filter has one tap, which is 1."""
    weight = torch.zeros(x.shape[1], 2)
    weight[:, 1] = 1
    return native.forward(ConvInputs(x, weight), ConvOptions())[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_all_values_of_half_precision_are_preserved(dtype: torch.dtype, isa: str) -> None:
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    x = bits.view(dtype)
    # Each value has its own channel: an infinite neighbour would make it NaN.
    y = identity(x.reshape(1, -1, 1))[0, :, 0]
    assert torch.equal(y.isnan(), x.isnan())
    assert torch.equal(y[~x.isnan()], x[~x.isnan()])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_results_are_rounded_to_half_precision_as_torch_does(dtype: torch.dtype, isa: str) -> None:
    # Sums of two half-precision values: ties and all values in between, from subnormal to beyond the largest.
    generator = torch.Generator().manual_seed(0)
    exponents = torch.randint(-30, 17, (50_000,), generator=generator).double()
    a = (torch.randn(50_000, generator=generator).double() * 2**exponents).to(dtype)
    b = (a.double() * 2.0 ** torch.randint(-12, 1, (50_000,), generator=generator)).to(dtype)
    x = torch.stack((a, b), dim=1)[None]
    y = native.forward(ConvInputs(x, torch.ones(50_000, 2)), ConvOptions())[0]
    assert torch.equal(y[0, :, 1], (a.float() + b.float()).to(dtype))


def silu_and_derivative(x: Tensor, channels_last: bool) -> tuple[Tensor, Tensor]:
    """SiLU of each value and its derivative; each value has its own channel."""
    x_BDL = x.reshape(1, -1, 1)
    if channels_last:
        x_BDL = torch.stack((x_BDL[..., 0], torch.zeros_like(x_BDL[..., 0])), dim=1).transpose(1, 2)
    weight = torch.zeros(x_BDL.shape[1], 2)
    weight[:, 1] = 1
    inputs, options = ConvInputs(x_BDL, weight), ConvOptions(silu=True)
    y, _ = native.forward(inputs, options)
    dx = native.backward(torch.ones_like(x_BDL), None, inputs, options).dx_BDL
    return y[0, :, 0], dx[0, :, 0]


@pytest.mark.parametrize("channels_last", [True, False])
def test_silu_is_exact_within_a_few_units_in_the_last_place(channels_last: bool, isa: str) -> None:
    x = torch.linspace(-86, 86, 400_003, dtype=torch.float64).float()
    exact = x.double()
    sigmoid = torch.sigmoid(exact)
    y, dx = silu_and_derivative(x, channels_last)
    torch.testing.assert_close(y.double(), exact * sigmoid, rtol=3 * 2**-23, atol=0)
    # 1 - sigmoid has a rounding error of its own, which vanishes from 17 on.
    derivative = sigmoid * (1 + exact * (1 - sigmoid))
    torch.testing.assert_close(dx.double(), derivative, rtol=3 * 2**-23, atol=17 * 2**-24)


@pytest.mark.parametrize("channels_last", [True, False])
def test_silu_of_infinite_huge_and_nan_values_is_that_of_torch(channels_last: bool, isa: str) -> None:
    # More values than every instruction set has lanes.
    x = torch.tensor([torch.nan, torch.inf, -torch.inf, 3e38, -3e38, 1e30, -1e30, -1e4, 1e4, -90.0] * 5)
    y, dx = silu_and_derivative(x, channels_last)
    torch.testing.assert_close(y, torch.nn.functional.silu(x), equal_nan=True)
    sigmoid = torch.sigmoid(x)
    torch.testing.assert_close(dx, sigmoid * (1 + x * (1 - sigmoid)), equal_nan=True)
