from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seizurekit.kernels.ssd_scan import chunked, reference
from seizurekit.kernels.ssd_scan.arguments import ScanInputs, ScanOptions

F64 = torch.float64


def made(
    shape: tuple[int, int, int, int] = (2, 37, 4, 3),
    groups: int = 2,
    states: int = 5,
    skip: int = 1,
    initial: bool = True,
    packed: int = 0,
    dtype: torch.dtype = F64,
    seed: int = 0,
) -> ScanInputs:
    """Random inputs; `packed` is the length of the sequences packed into a row, 0 for none."""
    generator = torch.Generator().manual_seed(seed)
    batch, length, heads, channels = shape

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=F64).to(dtype)

    wide = F64 if dtype == F64 else torch.float32
    return ScanInputs(
        normal(*shape),
        normal(batch, length, heads),
        -torch.exp(normal(heads).to(wide)),
        normal(batch, length, groups, states),
        normal(batch, length, groups, states),
        [None, normal(heads), normal(heads, channels)][skip],
        normal(heads).to(wide),
        normal(batch, heads, channels, states).to(wide) if initial else None,
        torch.arange(length).div(packed, rounding_mode="floor").repeat(batch, 1) if packed else None,
    )


def exactly(inputs: ScanInputs) -> ScanInputs:
    return ScanInputs(*(t.double() if t is not None and t.is_floating_point() else t for t in inputs))


def seeds(inputs: ScanInputs) -> tuple[Tensor, Tensor]:
    batch, _, heads, channels = inputs.x_BLHP.shape
    final = torch.ones(batch, heads, channels, inputs.B_BLGN.shape[3], dtype=inputs.sums)
    return torch.cos(inputs.x_BLHP * 5), torch.cos(final.cumsum(-1).cumsum(1))


def flipped(inputs: ScanInputs) -> ScanInputs:
    along = {name: t.flip(1) for name, t in inputs._asdict().items() if "L" in name and t is not None}
    return inputs._replace(**along)


def assert_all_close(found: object, wanted: object, **tolerance: float) -> None:
    for a, b in zip(found, wanted, strict=True):  # type: ignore[call-overload]
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, **tolerance)


def recurrence_as_written(inputs: ScanInputs) -> tuple[Tensor, Tensor]:
    """One head's recurrence after the other, in the letters of the paper, with torch's own autograd."""
    x, dt, A, B, C, D, dt_bias, h, _ = inputs
    group = x.shape[2] // B.shape[2]
    y = []
    for t in range(x.shape[1]):
        steps = torch.log1p(torch.exp(dt[:, t] + dt_bias))
        heads = []
        for head in range(x.shape[2]):
            a = torch.exp(steps[:, head] * A[head])[:, None, None]
            outer = torch.einsum("bp,bn->bpn", x[:, t, head], B[:, t, head // group])
            heads.append(a * h[:, head] + steps[:, head, None, None] * outer)
        h = torch.stack(heads, 1)
        y.append(torch.einsum("bhpn,bhn->bhp", h, C[:, t].repeat_interleave(group, 1)) + D[:, None] * x[:, t])
    return torch.stack(y, 1), h


def test_the_reference_is_the_recurrence_and_its_gradients_are_autograds() -> None:
    inputs = made((2, 9, 4, 3))
    options = ScanOptions(dt_softplus=True)
    leaves = [t.clone().requires_grad_() for t in inputs[:-1]]
    wanted = recurrence_as_written(ScanInputs(*leaves, None))
    assert_all_close(reference.forward(inputs, options), [t.detach() for t in wanted])
    dy, dfinal = seeds(inputs)
    gradients = torch.autograd.grad(wanted, leaves, (dy, dfinal))
    assert_all_close(reference.backward(dy, dfinal, inputs, options), gradients)


@pytest.mark.parametrize("backend", [reference, chunked], ids=["reference", "chunked"])
def test_backwards_in_time_is_the_flipped_scan_of_the_flipped_sequence(backend: object) -> None:
    inputs = made(packed=10)
    forwards, backwards = (ScanOptions(16, True, (0.1, 2.0), reverse) for reverse in (False, True))
    y, final = backend.forward(flipped(inputs), forwards)
    assert_all_close(backend.forward(inputs, backwards), (y.flip(1), final))
    dy, dfinal = seeds(inputs)
    found = backend.backward(dy, dfinal, inputs, backwards)
    wanted = backend.backward(dy.flip(1), dfinal, flipped(inputs), forwards)
    assert_all_close(found, [w.flip(1) if name in (0, 1, 3, 4) else w for name, w in enumerate(wanted)])


@pytest.mark.parametrize("chunk_size", [1, 2, 16, 36, 37, 64])
@pytest.mark.parametrize(("reverse", "packed"), list(product([False, True], [0, 1, 7, 20])))
def test_chunks_of_any_size_give_what_the_reference_gives(chunk_size: int, reverse: bool, packed: int) -> None:
    inputs = made(packed=packed)
    options = ScanOptions(chunk_size, True, (0.0, float("inf")), reverse)
    assert_all_close(chunked.forward(inputs, options), reference.forward(inputs, options))
    gradients = seeds(inputs)
    assert_all_close(chunked.backward(*gradients, inputs, options), reference.backward(*gradients, inputs, options))


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 140), st.integers(1, 3), st.integers(1, 4)),
    groups=st.integers(1, 3),
    states=st.integers(1, 6),
    skip=st.integers(0, 2),
    initial=st.booleans(),
    packed=st.sampled_from([0, 3, 64]),
    softplus=st.booleans(),
    limit=st.sampled_from([(0.0, float("inf")), (0.2, 0.9)]),
    reverse=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60)
def test_every_combination_of_arguments_gives_what_the_reference_gives(
    shape: tuple[int, int, int, int],
    groups: int,
    states: int,
    skip: int,
    initial: bool,
    packed: int,
    softplus: bool,
    limit: tuple[float, float],
    reverse: bool,
    seed: int,
) -> None:
    batch, length, per_group, channels = shape
    inputs = made((batch, length, groups * per_group, channels), groups, states, skip, initial, packed, seed=seed)
    options = ScanOptions(0, softplus, limit, reverse)
    assert_all_close(chunked.forward(inputs, options), reference.forward(inputs, options))
    dy, dfinal = seeds(inputs)
    for seed_of_final in (dfinal, None):
        found = chunked.backward(dy, seed_of_final, inputs, options)
        assert_all_close(found, reference.backward(dy, seed_of_final, inputs, options))


@pytest.mark.parametrize("shape", [(0, 5, 2, 3), (2, 0, 2, 3), (2, 5, 2, 0)])
@pytest.mark.parametrize("backend", [reference, chunked], ids=["reference", "chunked"])
def test_empty_tensors_are_served(backend: object, shape: tuple[int, int, int, int]) -> None:
    inputs = made(shape, groups=1)
    y, final = backend.forward(inputs, ScanOptions())
    assert y.shape == shape
    if shape[1] == 0:
        assert torch.equal(final, inputs.initial_BHPN)
    gradients = backend.backward(*seeds(inputs), inputs, ScanOptions())
    assert [g.shape for g in gradients] == [t.shape for t in inputs[:-1]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32_and_rounded_once(dtype: torch.dtype) -> None:
    inputs = made((2, 300, 4, 8), dtype=dtype, states=16)
    options = ScanOptions(dt_softplus=True)
    y, final = chunked.forward(inputs, options)
    wanted_y, wanted_final = reference.forward(exactly(inputs), options)
    assert (y.dtype, final.dtype) == (dtype, torch.float32)
    torch.testing.assert_close(y.double(), wanted_y, rtol=torch.finfo(dtype).eps, atol=1e-4)
    torch.testing.assert_close(final.double(), wanted_final, rtol=1e-5, atol=1e-5)
    gradients = chunked.backward(*seeds(inputs), inputs, options)
    assert [g.dtype for g in gradients] == [t.dtype for t in inputs[:-1]]


@pytest.mark.parametrize("reverse", [False, True])
def test_products_of_bfloat16_as_accelerators_take_them_stay_close(
    monkeypatch: pytest.MonkeyPatch, reverse: bool
) -> None:
    from seizurekit.kernels.ssd_scan import chunk

    inputs = made((2, 300, 4, 8), dtype=torch.bfloat16, states=16)
    options = ScanOptions(0, True, reverse=reverse)
    wanted = chunked.forward(inputs, options), chunked.backward(*seeds(inputs), inputs, options)
    monkeypatch.setattr(chunk, "_product_dtype", lambda x: x.dtype)
    found = chunked.forward(inputs, options), chunked.backward(*seeds(inputs), inputs, options)
    for pair in zip(sum(found, ()), sum(wanted, ()), strict=True):
        a, b = (t.double() for t in pair)
        assert float((a - b).norm() / b.norm()) < 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("reverse", [False, True])
def test_steps_so_large_that_all_decays_vanish_give_no_nan(dtype: torch.dtype, reverse: bool) -> None:
    inputs = made((1, 200, 2, 4), groups=1, dtype=dtype)
    inputs.dt_BLH[:, 50:60] = 1e4
    options = ScanOptions(0, True, reverse=reverse)
    results = (*chunked.forward(inputs, options), *chunked.backward(*seeds(inputs), inputs, options))
    assert all(torch.isfinite(t).all() for t in results)
    wanted, _ = reference.forward(exactly(inputs), options)
    # What happens around the large steps is as exact as elsewhere.
    tolerance = {torch.float32: 2e-4, torch.bfloat16: 1e-2}[dtype]
    torch.testing.assert_close(results[0].double(), wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("backend", [chunked], ids=["chunked"])
def test_inputs_in_any_strides_are_taken_and_left_as_they_were(backend: object) -> None:
    wide = torch.randn(2, 37, 4 * 3 + 2 * 10 + 4, dtype=F64)
    x, B, C, dt = wide.split([12, 10, 10, 4], dim=-1)
    inputs = made()._replace(
        x_BLHP=x.unflatten(2, (4, 3)), B_BLGN=B.unflatten(2, (2, 5)), C_BLGN=C.unflatten(2, (2, 5)), dt_BLH=dt
    )
    before = wide.clone()
    dense = ScanInputs(*(None if t is None else t.contiguous() for t in inputs))
    assert_all_close(backend.forward(inputs, ScanOptions()), backend.forward(dense, ScanOptions()))
    gradients = seeds(inputs)
    found = backend.backward(gradients[0][:, :1].expand_as(gradients[0]), gradients[1], inputs, ScanOptions())
    assert all(torch.isfinite(g).all() for g in found)
    assert torch.equal(wide, before)
