from __future__ import annotations

import copy
import importlib
from itertools import product
from types import FunctionType
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

import seizurekit as sk
from seizurekit.errors import BackendError

conv = sk.ops.causal_conv1d


def by_torch(x: Tensor, weight: Tensor, bias: Tensor | None, initial: Tensor, silu: bool, reverse: bool) -> Tensor:
    """The definition, by torch's own convolution."""
    x = x.flip(-1) if reverse else x
    y = functional.conv1d(torch.cat((initial, x), dim=2), weight[:, None], bias, groups=x.shape[1])
    y = functional.silu(y) if silu else y
    return y.flip(-1) if reverse else y


def arguments(
    shape: tuple[int, int, int], width: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, weight, bias and the initial state, all of which require gradients."""
    batch, channels, _ = shape
    generator = torch.Generator().manual_seed(0)
    shapes = (shape, (channels, width), (channels,), (batch, channels, width - 1))
    x, weight, bias, initial = (torch.randn(s, dtype=dtype, generator=generator).requires_grad_() for s in shapes)
    return x, weight, bias, initial


@pytest.mark.parametrize("backend", ["native", "torch"])
@pytest.mark.parametrize(("width", "silu", "reverse"), list(product([2, 3, 4], [False, True], [False, True])))
def test_it_equals_the_convolution_of_torch_forward_and_backward(
    width: int, silu: bool, reverse: bool, backend: str
) -> None:
    leaves = arguments((2, 5, 11), width)
    dy = torch.randn(2, 5, 11, dtype=torch.float64)
    y = conv(*leaves[:3], "silu" if silu else None, leaves[3], reverse=reverse, backend=backend)
    expected = by_torch(*leaves, silu, reverse)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(torch.autograd.grad(y, leaves, dy), torch.autograd.grad(expected, leaves, dy))


@pytest.mark.parametrize("backend", ["native", "torch"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_the_gradient_of_y_may_have_any_strides(channels_last: bool, backend: str) -> None:
    x, weight, bias, initial = arguments((2, 6, 9), 4)
    if channels_last:
        x = x.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    leaves = (x, weight, bias, initial)
    y = conv(x, weight, bias, "silu", initial, backend=backend)
    expected = by_torch(*leaves, True, False)
    dense = torch.randn(2, 6, 9, dtype=torch.float64)
    for dy in (
        torch.ones((), dtype=torch.float64).expand(2, 6, 9),
        dense,
        dense.transpose(1, 2).contiguous().transpose(1, 2),
        dense[:, :1].expand(2, 6, 9),
    ):
        gradients = torch.autograd.grad(y, leaves, dy, retain_graph=True)
        torch.testing.assert_close(gradients, torch.autograd.grad(expected, leaves, dy, retain_graph=True))


@pytest.mark.parametrize("backend", ["native", "torch"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_gradients_pass_gradcheck_also_if_the_state_is_longer_than_the_signal(
    length: int, reverse: bool, backend: str
) -> None:
    def function(x: Tensor, weight: Tensor, bias: Tensor, initial: Tensor) -> tuple[Tensor, Tensor]:
        return conv(x, weight, bias, "silu", initial, return_final_state=True, reverse=reverse, backend=backend)

    assert torch.autograd.gradcheck(function, arguments((2, 3, length), 4))


@given(
    pieces=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    width=st.integers(2, 4),
    reverse=st.booleans(),
)
@settings(max_examples=40)
def test_pieces_linked_by_their_states_equal_the_whole(pieces: list[int], width: int, reverse: bool) -> None:
    x, weight, bias, state = (t.detach() for t in arguments((2, 3, sum(pieces)), width))
    whole = conv(x, weight, bias, "silu", state, reverse=reverse)
    parts = list(torch.split(x, pieces, dim=2))
    results = []
    for part in reversed(parts) if reverse else parts:
        y, state = conv(part, weight, bias, "silu", state, return_final_state=True, reverse=reverse)
        results.append(y)
    torch.testing.assert_close(torch.cat(results[::-1] if reverse else results, dim=2), whole)


@pytest.mark.parametrize("columns", [3, 4, 6])
def test_streaming_steps_equal_the_whole(columns: int) -> None:
    x, weight, bias, _ = (t.detach() for t in arguments((2, 3, 9), 4))
    state = torch.zeros(2, columns, 3, dtype=torch.float64).transpose(1, 2)
    steps = [sk.ops.causal_conv1d_update(x[:, :, t], state, weight, bias, "silu") for t in range(9)]
    torch.testing.assert_close(torch.stack(steps, dim=2), conv(x, weight, bias, "silu"))
    torch.testing.assert_close(state, functional.pad(x, (columns, 0))[:, :, -columns:])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_supports_float32_weights_and_sums_in_float32(dtype: torch.dtype) -> None:
    x, weight, bias, initial = (t.detach() for t in arguments((2, 6, 40), 4, torch.float32))
    x, initial = x.to(dtype), initial.to(dtype)
    y = conv(x, weight, bias, "silu", initial)
    assert y.dtype == dtype
    exact = by_torch(x.double(), weight.double(), bias.double(), initial.double(), True, False)
    # Rounded once: within one unit in the last place, and mostly within half of one.
    torch.testing.assert_close(y.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_y_has_the_layout_of_x() -> None:
    wide = torch.randn(2, 10, 32)
    x = wide[:, :, 3:11].transpose(1, 2)  # [B, D, L] with D innermost, a slice of a projection
    y = conv(x, torch.randn(8, 4))
    assert y.stride() == (80, 1, 8)
    assert conv(x.contiguous(), torch.randn(8, 4)).stride() == (80, 10, 1)
    assert conv(torch.randn(2, 8, 20)[:, :, ::2], torch.randn(8, 4)).stride() == (80, 10, 1)


@pytest.mark.parametrize("shape", [(0, 3, 5), (2, 0, 5), (2, 3, 0)])
def test_tensors_without_elements_are_computed(shape: tuple[int, int, int]) -> None:
    leaves = arguments(shape, 4, torch.float32)
    y, final = conv(*leaves[:3], "silu", leaves[3], return_final_state=True)
    assert y.shape == shape
    (y.sum() + final.sum()).backward()
    assert [leaf.grad.shape for leaf in leaves if leaf.grad is not None] == [leaf.shape for leaf in leaves]


@pytest.mark.parametrize("layout", ["length innermost", "channels innermost"])
def test_the_operators_pass_opcheck(layout: str) -> None:
    x, weight, bias, initial = arguments((2, 4, 9), 4, torch.float32)
    if layout == "channels innermost":
        x = x.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    for call in ((x, weight, bias, initial, True, False, ""), (x, weight, None, None, False, True, "")):
        torch.library.opcheck(torch.ops.seizurekit.causal_conv1d, call)
    step = (x.detach()[:, :, 0].contiguous(), initial.detach().contiguous(), weight.detach(), None, True, "")
    torch.library.opcheck(torch.ops.seizurekit.causal_conv1d_update, step)


class Filter(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        return conv(x * 2, self.weight, activation="silu", reverse=True).sin()


def test_a_model_with_it_compiles_without_a_graph_break_and_exports() -> None:
    model = Filter()
    twin = copy.deepcopy(model)
    compiled = torch.compile(twin, fullgraph=True, backend="aot_eager")
    for length in (7, 9, 12):
        x = torch.randn(2, 6, length)
        expected, y = model(x), compiled(x)
        torch.testing.assert_close(y, expected)
        expected.sum().backward()
        y.sum().backward()
    torch.testing.assert_close(twin.weight.grad, model.weight.grad)
    program = torch.export.export(model, (torch.randn(2, 6, 9),), dynamic_shapes=({2: torch.export.Dim("L", min=2)},))
    x = torch.randn(2, 6, 15)
    torch.testing.assert_close(program.module()(x), model(x))


def test_autocast_does_not_change_the_result() -> None:
    x, weight, bias, _ = (t.detach() for t in arguments((2, 4, 20), 4, torch.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = conv(x, weight, bias, "silu")
        half = conv(x.bfloat16(), weight, bias, "silu")
    assert torch.equal(inside, conv(x, weight, bias, "silu"))
    assert torch.equal(half, conv(x.bfloat16(), weight, bias, "silu"))


def test_the_public_name_is_the_function_and_not_the_package_of_the_same_name() -> None:
    for name in ("causal_conv1d", "ssd_scan"):
        importlib.import_module(f"seizurekit.ops.{name}.trial")
        assert isinstance(getattr(sk.ops, name), FunctionType)


X, WEIGHT = torch.zeros(2, 4, 9), torch.zeros(4, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"x": X[0]}, r"x: shape is \(4, 9\), expected \[B, D, L\]"),
        ({"x": X.int()}, "x: dtype is torch.int32, expected float32, bfloat16, float16 or float64"),
        ({"weight": torch.zeros(4, 5)}, r"weight: shape is \(4, 5\), expected \[4, W\] with W 2, 3 or 4"),
        ({"weight": torch.zeros(3, 4)}, r"weight: shape is \(3, 4\), expected \[4, W\]"),
        ({"weight": WEIGHT.half()}, "weight: dtype is torch.float16, expected x's torch.float32"),
        ({"weight": WEIGHT.to("meta")}, "weight: device is meta, expected x's device cpu"),
        ({"bias": torch.zeros(3)}, r"bias: shape is \(3,\), expected \[4\]"),
        ({"bias": torch.zeros(4).double()}, "bias: dtype is torch.float64, expected weight's torch.float32"),
        ({"initial_state": torch.zeros(2, 4, 3)}, r"initial_state: shape is \(2, 4, 3\), expected \[2, 4, 2\]"),
        ({"initial_state": torch.zeros(2, 4, 2).half()}, "initial_state: dtype is torch.float16, expected x's"),
        ({"activation": "relu"}, "activation is 'relu', expected None, 'silu' or 'swish'"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(call: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        conv(**{"x": X, "weight": WEIGHT} | call)


def test_a_requested_back_end_that_is_unavailable_is_an_error_with_the_reason() -> None:
    with pytest.raises(BackendError, match="backend is 'cudnn', expected one of cuda-package, triton"):
        conv(X, WEIGHT, backend="cudnn")
    with pytest.raises(BackendError, match=r"causal_conv1d on cpu: cuda-package: \S"):
        conv(X, WEIGHT, backend="cuda-package")


def test_the_forced_fallback_selects_plain_torch_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from seizurekit.kernels.causal_conv1d import reference
    from seizurekit.ops import dispatch

    monkeypatch.setenv("SEIZURE_MAMBA_FORCE_FALLBACK", "1")
    dispatch.reset_cache()
    calls = Mock(wraps=reference.forward)
    monkeypatch.setattr(reference, "forward", calls)
    with caplog.at_level("INFO"):
        conv(X, WEIGHT)
    assert calls.called
    assert caplog.messages == ["causal_conv1d on cpu: torch (SEIZURE_MAMBA_FORCE_FALLBACK is set)"]
    with pytest.raises(BackendError, match="native: SEIZURE_MAMBA_FORCE_FALLBACK is set, which forces torch"):
        conv(X, WEIGHT, backend="native")
    dispatch.reset_cache()
