from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from seizurekit.kernels.ssd_scan import reference
from seizurekit.kernels.ssd_scan.contract import ScanBackend, ScanInputs, ScanOptions
from seizurekit.ops.ssd_scan import chunked, trial

F64 = torch.float64


def random_inputs(
    shape: tuple[int, int, int, int] = (2, 37, 4, 3),
    groups: int = 2,
    states: int = 5,
    skip: int = 1,
    initial: bool = True,
    packed: int = 0,
    dtype: torch.dtype = F64,
    seed: int = 0,
) -> ScanInputs:
    """Random inputs; `packed` is the length of the sequences packed into a row, 0 for one sequence."""
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


def in_float64(inputs: ScanInputs) -> ScanInputs:
    return ScanInputs._make(t.double() if t is not None and t.is_floating_point() else t for t in inputs)


def output_gradients(inputs: ScanInputs) -> tuple[Tensor, Tensor]:
    """Gradients of y and of the final state."""
    batch, _, heads, channels = inputs.x_BLHP.shape
    final = torch.ones(batch, heads, channels, inputs.B_BLGN.shape[3], dtype=inputs.sum_dtype)
    return torch.cos(inputs.x_BLHP * 5), torch.cos(final.cumsum(-1).cumsum(1))


def flip(inputs: ScanInputs) -> ScanInputs:
    sequences = {name: t.flip(1) for name, t in inputs._asdict().items() if "L" in name and t is not None}
    return inputs._replace(**sequences)


def assert_all_close(results: Iterable[Tensor | None], expected: Iterable[Tensor | None]) -> None:
    for a, b in zip(results, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b)


def present(tensors: Iterable[Tensor | None]) -> list[Tensor]:
    """The tensors, none of which may be None."""
    found = []
    for tensor in tensors:
        assert tensor is not None
        found.append(tensor)
    return found


def recurrence_as_written(inputs: ScanInputs) -> tuple[Tensor, Tensor]:
    """The recurrence of each head, with the symbols of the paper, for torch's own autograd."""
    x, dt, A, B, C, D, dt_bias, h = present(inputs[:-1])
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
    inputs = random_inputs((2, 9, 4, 3))
    options = ScanOptions(dt_softplus=True)
    leaves = [t.clone().requires_grad_() for t in present(inputs[:-1])]
    expected = recurrence_as_written(ScanInputs._make([*leaves, None]))
    assert_all_close(reference.forward(inputs, options), [t.detach() for t in expected])
    dy, dfinal = output_gradients(inputs)
    gradients = torch.autograd.grad(expected, leaves, (dy, dfinal))
    assert_all_close(reference.backward(dy, dfinal, inputs, options), gradients)


@pytest.mark.parametrize("backend", [reference, chunked], ids=["reference", "chunked"])
def test_backwards_in_time_is_the_flipped_scan_of_the_flipped_sequence(backend: ScanBackend) -> None:
    inputs = random_inputs(packed=10)
    forwards, backwards = (ScanOptions(16, True, (0.1, 2.0), reverse) for reverse in (False, True))
    y, final = backend.forward(flip(inputs), forwards)
    assert_all_close(backend.forward(inputs, backwards), (y.flip(1), final))
    dy, dfinal = output_gradients(inputs)
    gradients = backend.backward(dy, dfinal, inputs, backwards)
    expected = backend.backward(dy.flip(1), dfinal, flip(inputs), forwards)
    assert_all_close(gradients, [e.flip(1) if i in (0, 1, 3, 4) else e for i, e in enumerate(present(expected))])


@pytest.mark.parametrize("chunk_size", [1, 2, 16, 36, 37, 64])
@pytest.mark.parametrize(("reverse", "packed"), list(product([False, True], [0, 1, 7, 20])))
def test_chunks_of_any_size_give_what_the_reference_gives(chunk_size: int, reverse: bool, packed: int) -> None:
    inputs = random_inputs(packed=packed)
    options = ScanOptions(chunk_size, True, (0.0, float("inf")), reverse)
    assert_all_close(chunked.forward(inputs, options), reference.forward(inputs, options))
    gradients = output_gradients(inputs)
    assert_all_close(chunked.backward(*gradients, inputs, options), reference.backward(*gradients, inputs, options))


@pytest.mark.slow
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
    inputs = random_inputs(
        (batch, length, groups * per_group, channels), groups, states, skip, initial, packed, seed=seed
    )
    options = ScanOptions(0, softplus, limit, reverse)
    assert_all_close(chunked.forward(inputs, options), reference.forward(inputs, options))
    dy, dfinal = output_gradients(inputs)
    for dfinal_or_none in (dfinal, None):
        gradients = chunked.backward(dy, dfinal_or_none, inputs, options)
        assert_all_close(gradients, reference.backward(dy, dfinal_or_none, inputs, options))


@pytest.mark.parametrize("shape", [(0, 5, 2, 3), (2, 0, 2, 3), (2, 5, 2, 0)])
@pytest.mark.parametrize("backend", [reference, chunked], ids=["reference", "chunked"])
def test_tensors_without_elements_are_computed(backend: ScanBackend, shape: tuple[int, int, int, int]) -> None:
    inputs = random_inputs(shape, groups=1)
    y, final = backend.forward(inputs, ScanOptions())
    assert y.shape == shape
    if shape[1] == 0:
        assert torch.equal(*present((final, inputs.initial_BHPN)))
    gradients = backend.backward(*output_gradients(inputs), inputs, ScanOptions())
    assert [g.shape for g in present(gradients)] == [t.shape for t in present(inputs[:-1])]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32_and_rounded_once(dtype: torch.dtype) -> None:
    inputs = random_inputs((2, 300, 4, 8), dtype=dtype, states=16)
    options = ScanOptions(dt_softplus=True)
    y, final = chunked.forward(inputs, options)
    expected_y, expected_final = reference.forward(in_float64(inputs), options)
    assert (y.dtype, final.dtype) == (dtype, torch.float32)
    torch.testing.assert_close(y.double(), expected_y, rtol=torch.finfo(dtype).eps, atol=1e-4)
    torch.testing.assert_close(final.double(), expected_final, rtol=1e-5, atol=1e-5)
    gradients = chunked.backward(*output_gradients(inputs), inputs, options)
    assert [g.dtype for g in present(gradients)] == [t.dtype for t in present(inputs[:-1])]


class MatrixProducts(TorchDispatchMode):
    """Collects the dtypes of the factors of matrix products; `tf32` rounds float32 factors as TensorFloat-32 does."""

    def __init__(self, tf32: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not annotate it
        self.tf32 = tf32
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.bmm):
            self.dtypes |= {factor.dtype for factor in args}
            if self.tf32:
                args = tuple(rounded_to_tf32(factor) if factor.dtype == torch.float32 else factor for factor in args)
        return func(*args, **(kwargs or {}))


def rounded_to_tf32(factor: Tensor) -> Tensor:
    """The nearest values with 10 bits of mantissa."""
    return ((factor.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_factors_of_matrix_products_are_float32_on_every_device(dtype: torch.dtype, device: str) -> None:
    inputs = random_inputs(dtype=dtype)
    dy, dfinal = (t.to(device) for t in output_gradients(inputs))
    inputs = ScanInputs._make(None if t is None else t.to(device) for t in inputs)
    with MatrixProducts() as products:
        chunked.forward(inputs, ScanOptions())
        chunked.backward(dy, dfinal, inputs, ScanOptions())
    assert products.dtypes == {torch.float32}


@pytest.mark.parametrize("case", [case for case in trial.cases(torch.device("cpu")) if case.dtype == torch.bfloat16])
def test_bfloat16_passes_the_trial_also_if_matrix_products_use_tf32(case: trial.ScanCase) -> None:
    with MatrixProducts(tf32=True):
        errors = trial.errors_vs_reference(chunked, case)
    assert max(error.ratio for error in errors) < 0.5, [str(error) for error in errors]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("reverse", [False, True])
def test_steps_so_large_that_all_decays_vanish_give_no_nan(dtype: torch.dtype, reverse: bool) -> None:
    inputs = random_inputs((1, 200, 2, 4), groups=1, dtype=dtype)
    inputs.dt_BLH[:, 50:60] = 1e4
    options = ScanOptions(0, True, reverse=reverse)
    results = present(
        (*chunked.forward(inputs, options), *chunked.backward(*output_gradients(inputs), inputs, options))
    )
    assert all(torch.isfinite(t).all() for t in results)
    expected, _ = reference.forward(in_float64(inputs), options)
    # Samples near the large steps are as exact as others.
    tolerance = {torch.float32: 2e-4, torch.bfloat16: 1e-2}[dtype]
    torch.testing.assert_close(results[0].double(), expected, rtol=tolerance, atol=tolerance)


def test_inputs_may_have_any_strides_and_are_not_changed() -> None:
    wide = torch.randn(2, 37, 4 * 3 + 2 * 10 + 4, dtype=F64)
    x, B, C, dt = wide.split([12, 10, 10, 4], dim=-1)
    inputs = random_inputs()._replace(
        x_BLHP=x.unflatten(2, (4, 3)), B_BLGN=B.unflatten(2, (2, 5)), C_BLGN=C.unflatten(2, (2, 5)), dt_BLH=dt
    )
    before = wide.clone()
    dense = ScanInputs._make(None if t is None else t.contiguous() for t in inputs)
    assert_all_close(chunked.forward(inputs, ScanOptions()), chunked.forward(dense, ScanOptions()))
    dy, dfinal = output_gradients(inputs)
    gradients = chunked.backward(dy[:, :1].expand_as(dy), dfinal, inputs, ScanOptions())
    assert all(torch.isfinite(g).all() for g in present(gradients))
    assert torch.equal(wide, before)
