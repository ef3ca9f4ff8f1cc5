from __future__ import annotations

import copy
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

import seizurekit as sk
from seizurekit.errors import BackendError

conv = sk.ops.causal_conv1d


def plain(x: Tensor, weight: Tensor, bias: Tensor | None, initial: Tensor | None, silu: bool, reverse: bool) -> Tensor:
    """The definition, by torch's own convolution."""
    x = x.flip(-1) if reverse else x
    edge = x.new_zeros((*x.shape[:2], weight.shape[1] - 1)) if initial is None else initial
    y = functional.conv1d(torch.cat((edge, x), dim=2), weight[:, None], bias, groups=x.shape[1])
    y = functional.silu(y) if silu else y
    return y.flip(-1) if reverse else y


def arguments(shape: tuple[int, int, int], width: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    batch, channels, _ = shape
    generator = torch.Generator().manual_seed(0)
    shapes = (shape, (channels, width), (channels,), (batch, channels, width - 1))
    return tuple(torch.randn(s, dtype=dtype, generator=generator).requires_grad_() for s in shapes)


@pytest.mark.parametrize("backend", ["native", "torch"])
@pytest.mark.parametrize(("width", "silu", "reverse"), list(product([2, 3, 4], [False, True], [False, True])))
def test_it_is_torchs_convolution_forward_and_backward(width: int, silu: bool, reverse: bool, backend: str) -> None:
    leaves = arguments((2, 5, 11), width)
    dy = torch.randn(2, 5, 11, dtype=torch.float64)
    found = conv(*leaves[:3], "silu" if silu else None, leaves[3], reverse=reverse, backend=backend)
    wanted = plain(*leaves, silu, reverse)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(torch.autograd.grad(found, leaves, dy), torch.autograd.grad(wanted, leaves, dy))


@pytest.mark.parametrize("backend", ["native", "torch"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_gradients_pass_gradcheck_with_states_that_are_longer_than_the_signal(
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
def test_pieces_chained_by_their_states_give_the_whole(pieces: list[int], width: int, reverse: bool) -> None:
    x, weight, bias, state = (t.detach() for t in arguments((2, 3, sum(pieces)), width))
    whole = conv(x, weight, bias, "silu", state, reverse=reverse)
    parts = list(torch.split(x, pieces, dim=2))
    found = []
    for part in reversed(parts) if reverse else parts:
        y, state = conv(part, weight, bias, "silu", state, return_final_state=True, reverse=reverse)
        found.append(y)
    torch.testing.assert_close(torch.cat(found[::-1] if reverse else found, dim=2), whole)


@pytest.mark.parametrize("columns", [3, 4, 6])
def test_steps_of_streaming_give_the_whole(columns: int) -> None:
    x, weight, bias, _ = (t.detach() for t in arguments((2, 3, 9), 4))
    state = torch.zeros(2, columns, 3, dtype=torch.float64).transpose(1, 2)
    steps = [sk.ops.causal_conv1d_update(x[:, :, t], state, weight, bias, "silu") for t in range(9)]
    torch.testing.assert_close(torch.stack(steps, dim=2), conv(x, weight, bias, "silu"))
    torch.testing.assert_close(state, functional.pad(x, (columns, 0))[:, :, -columns:])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_takes_float32_weights_and_sums_in_float32(dtype: torch.dtype) -> None:
    x, weight, bias, initial = (t.detach() for t in arguments((2, 6, 40), 4, torch.float32))
    x, initial = x.to(dtype), initial.to(dtype)
    y = conv(x, weight, bias, "silu", initial)
    assert y.dtype == dtype
    exact = plain(x.double(), weight.double(), bias.double(), initial.double(), True, False)
    # Rounded once: within one unit in the last place, and mostly within half of one.
    torch.testing.assert_close(y.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_the_layout_of_x_is_kept_and_nothing_of_it_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = torch.randn(2, 10, 32)
    x = wide[:, :, 3:11].transpose(1, 2)  # [B, D, L] with D innermost, a slice of a projection
    y = conv(x, torch.randn(8, 4))
    assert y.stride() == (80, 1, 8)
    assert conv(x.contiguous(), torch.randn(8, 4)).stride() == (80, 10, 1)
    assert conv(torch.randn(2, 8, 20)[:, :, ::2], torch.randn(8, 4)).stride() == (80, 10, 1)


@pytest.mark.parametrize("shape", [(0, 3, 5), (2, 0, 5), (2, 3, 0)])
def test_empty_tensors_are_served(shape: tuple[int, int, int]) -> None:
    leaves = arguments(shape, 4, torch.float32)
    y, final = conv(*leaves[:3], "silu", leaves[3], return_final_state=True)
    assert y.shape == shape
    (y.sum() + final.sum()).backward()
    assert [leaf.grad.shape for leaf in leaves if leaf.grad is not None] == [leaf.shape for leaf in leaves]


@pytest.mark.parametrize("layout", ["length innermost", "channels innermost"])
def test_torch_finds_nothing_to_object_to_in_the_operators(layout: str) -> None:
    x, weight, bias, initial = arguments((2, 4, 9), 4, torch.float32)
    if layout == "channels innermost":
        x = x.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    for reverse in (False, True):
        for call in ((x, weight, bias, initial, True, reverse, ""), (x, weight, None, None, False, reverse, "")):
            torch.library.opcheck(torch.ops.seizurekit.causal_conv1d, call)
    step = (x.detach()[:, :, 0].contiguous(), initial.detach().contiguous(), weight.detach(), None, True, "")
    torch.library.opcheck(torch.ops.seizurekit.causal_conv1d_update, step)


class Filter(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        return conv(x * 2, self.weight, activation="silu", reverse=True).sin()


def test_a_model_with_it_compiles_without_a_break_and_exports() -> None:
    model = Filter()
    twin = copy.deepcopy(model)
    compiled = torch.compile(twin, fullgraph=True, backend="aot_eager")
    for length in (7, 9, 12):
        x = torch.randn(2, 6, length)
        wanted, found = model(x), compiled(x)
        torch.testing.assert_close(found, wanted)
        wanted.sum().backward()
        found.sum().backward()
    torch.testing.assert_close(twin.weight.grad, model.weight.grad)
    program = torch.export.export(model, (torch.randn(2, 6, 9),), dynamic_shapes=({2: torch.export.Dim("L", min=2)},))
    x = torch.randn(2, 6, 15)
    torch.testing.assert_close(program.module()(x), model(x))


def test_autocast_changes_nothing_about_what_is_computed() -> None:
    x, weight, bias, _ = (t.detach() for t in arguments((2, 4, 20), 4, torch.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = conv(x, weight, bias, "silu")
        half = conv(x.bfloat16(), weight, bias, "silu")
    assert torch.equal(inside, conv(x, weight, bias, "silu"))
    assert torch.equal(half, conv(x.bfloat16(), weight, bias, "silu"))


X, WEIGHT = torch.zeros(2, 4, 9), torch.zeros(4, 3)


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ({"x": X[0]}, r"x: found shape \(4, 9\), wanted \[B, D, L\]"),
        ({"x": X.int()}, "x: found torch.int32, wanted float32, bfloat16, float16 or float64"),
        ({"weight": torch.zeros(4, 5)}, r"weight: found shape \(4, 5\), wanted \[4, W\] with W of 2, 3 or 4"),
        ({"weight": torch.zeros(3, 4)}, r"weight: found shape \(3, 4\), wanted \[4, W\]"),
        ({"weight": WEIGHT.half()}, "weight: found torch.float16, wanted x's torch.float32"),
        ({"weight": WEIGHT.to("meta")}, "weight: found on meta, wanted on x's device cpu"),
        ({"bias": torch.zeros(3)}, r"bias: found shape \(3,\), wanted \[4\]"),
        ({"bias": torch.zeros(4).double()}, "bias: found torch.float64, wanted weight's torch.float32"),
        ({"initial_state": torch.zeros(2, 4, 3)}, r"initial_state: found shape \(2, 4, 3\), wanted \[2, 4, 2\]"),
        ({"initial_state": torch.zeros(2, 4, 2).half()}, "initial_state: found torch.float16, wanted x's"),
        ({"activation": "relu"}, "activation: found 'relu', wanted None, 'silu' or 'swish'"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(call: dict[str, Tensor], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        conv(**{"x": X, "weight": WEIGHT} | call)


def test_a_back_end_that_cannot_serve_says_why_when_asked_for() -> None:
    with pytest.raises(BackendError, match="backend: found 'cudnn', wanted one of cuda-package, triton"):
        conv(X, WEIGHT, backend="cudnn")
    with pytest.raises(BackendError, match=r"causal_conv1d on cpu: cuda-package: \S"):
        conv(X, WEIGHT, backend="cuda-package")


def test_the_forced_fallback_is_plain_torch_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from seizurekit.kernels.causal_conv1d import reference
    from seizurekit.ops import dispatch

    monkeypatch.setenv("SEIZURE_MAMBA_FORCE_FALLBACK", "1")
    dispatch.forget()
    calls = []
    plainly = reference.forward
    monkeypatch.setattr(reference, "forward", lambda *call: calls.append(call) or plainly(*call))
    with caplog.at_level("INFO"):
        conv(X, WEIGHT)
    assert calls
    assert caplog.messages == ["causal_conv1d on cpu: torch (SEIZURE_MAMBA_FORCE_FALLBACK is set)"]
    with pytest.raises(BackendError, match="native: SEIZURE_MAMBA_FORCE_FALLBACK is set, which forces torch"):
        conv(X, WEIGHT, backend="native")
    dispatch.forget()
