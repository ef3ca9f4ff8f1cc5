from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

import seizurekit as sk
from seizurekit.errors import BackendError
from seizurekit.kernels.ssd_scan import reference
from seizurekit.kernels.ssd_scan.contract import ScanInputs, ScanOptions

scan = sk.ops.ssd_scan


def arguments(
    length: int = 19, dtype: torch.dtype = torch.float64, batch: int = 2, channels: int = 3, states: int = 5
) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "x": normal(batch, length, 4, channels),
        "dt": normal(batch, length, 4),
        "A": -torch.exp(normal(4)),
        "B": normal(batch, length, 2, states),
        "C": normal(batch, length, 2, states),
        "D": normal(4, channels),
        "z": normal(batch, length, 4, channels),
        "dt_bias": normal(4),
        "initial_states": normal(batch, 4, channels, states),
    }


def by_reference(call: dict[str, Any], reverse: bool = False) -> tuple[Tensor, Tensor]:
    names = ("x", "dt", "A", "B", "C", "D", "dt_bias", "initial_states")
    inputs = ScanInputs._make([*(call.get(name) for name in names), None])
    y, final = reference.forward(inputs, ScanOptions(dt_softplus=True, reverse=reverse))
    return (y * functional.silu(call["z"]) if "z" in call else y), final


@pytest.mark.parametrize("reverse", [False, True])
def test_it_equals_the_recurrence_with_a_gate_forward_and_backward(reverse: bool) -> None:
    call = {name: t.requires_grad_() for name, t in arguments().items()}
    results = scan(**call, dt_softplus=True, return_final_states=True, reverse=reverse)
    expected = by_reference(call, reverse)
    torch.testing.assert_close(results, expected)
    seeds = [torch.cos(t.detach() * 3) for t in expected]
    leaves = list(call.values())
    gradients = torch.autograd.grad(results, leaves, seeds)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, leaves, seeds))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("chunk_size", [None, 4])
def test_gradients_pass_gradcheck(chunk_size: int | None, reverse: bool) -> None:
    call = {name: t.requires_grad_() for name, t in arguments(5, batch=1, channels=2, states=2).items()}

    def function(*leaves: Tensor) -> Any:
        named: dict[str, Any] = dict(zip(call, leaves, strict=True))
        return scan(**named, chunk_size=chunk_size, dt_softplus=True, return_final_states=True, reverse=reverse)

    assert torch.autograd.gradcheck(function, tuple(call.values()))


@given(pieces=st.lists(st.integers(1, 70), min_size=1, max_size=4), reverse=st.booleans())
@settings(max_examples=20)
def test_pieces_linked_by_their_states_equal_the_whole(pieces: list[int], reverse: bool) -> None:
    call = arguments(sum(pieces))
    whole, final = scan(**call, dt_softplus=True, return_final_states=True, reverse=reverse)
    state = call.pop("initial_states")
    sequences = {name: torch.split(call[name], pieces, dim=1) for name in ("x", "dt", "B", "C", "z")}
    order = range(len(pieces))
    results = [whole] * len(pieces)
    for k in reversed(order) if reverse else order:
        part = call | {name: parts[k] for name, parts in sequences.items()} | {"initial_states": state}
        results[k], state = scan(**part, dt_softplus=True, return_final_states=True, reverse=reverse)
    torch.testing.assert_close((torch.cat(results, dim=1), state), (whole, final))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_streaming_steps_equal_the_whole(dtype: torch.dtype) -> None:
    call = arguments(30, dtype)
    expected, final = scan(**call, dt_softplus=True, dt_limit=(0.2, 1.5), return_final_states=True)
    state = call.pop("initial_states").to(final.dtype)
    sequences = {name: call.pop(name) for name in ("x", "dt", "B", "C", "z")}
    steps = [
        sk.ops.ssd_step(
            state, **{name: t[:, k] for name, t in sequences.items()}, **call, dt_softplus=True, dt_limit=(0.2, 1.5)
        )
        for k in range(30)
    ]
    tolerance = 1e-2 if dtype == torch.bfloat16 else None
    torch.testing.assert_close(torch.stack(steps, dim=1), expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(state, final, rtol=1e-5, atol=1e-5)


def test_every_element_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    call = {name: t.requires_grad_() for name, t in arguments(130).items()}
    expected = by_reference(call)
    for name in ("empty", "empty_like"):
        original = getattr(torch, name)
        monkeypatch.setattr(torch, name, lambda *a, original=original, **k: original(*a, **k).fill_(torch.nan))
    y, final = scan(**call, dt_softplus=True, return_final_states=True)
    torch.testing.assert_close((y, final), expected)
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(y.sum() + final.sum(), list(call.values())))


def test_only_the_inputs_are_kept_for_the_backward_pass() -> None:
    kept: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    totals = []
    for length in (500, 1000):
        kept.clear()
        call = {name: t.requires_grad_() for name, t in arguments(length).items() if name != "z"}
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            scan(**call, dt_softplus=True)
        assert sum(kept) == sum(t.numel() for t in call.values())
        totals.append(sum(kept))
    assert totals[1] < 2.01 * totals[0]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_no_tensor_is_larger_than_x(direction: str) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Largest(TorchDispatchMode):
        numel = 0

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            for leaf in tree_leaves(result):
                if isinstance(leaf, Tensor):
                    self.numel = max(self.numel, leaf.untyped_storage().nbytes())
            return result

    from seizurekit.ops.ssd_scan import chunked

    for length in (2_000, 4_000):
        call = arguments(length)
        names = ("x", "dt", "A", "B", "C", "D", "dt_bias", "initial_states")
        inputs = ScanInputs._make([*(call[name] for name in names), None])
        with Largest() as largest:  # type: ignore[no-untyped-call]  # torch does not annotate its constructor
            if direction == "forward":
                chunked.forward(inputs, ScanOptions())
            else:
                chunked.backward(call["z"], None, inputs, ScanOptions())
        assert largest.numel <= call["x"].untyped_storage().nbytes()


class Scan(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.A_log = torch.nn.Parameter(torch.zeros(4))

    def forward(self, x: Tensor, dt: Tensor, B: Tensor) -> Tensor:
        return scan(x * 2, dt, -self.A_log.exp(), B, B, dt_softplus=True, reverse=True).sin()


def test_a_model_with_it_compiles_without_a_graph_break_and_exports() -> None:
    model = Scan()
    twin = copy.deepcopy(model)
    compiled = torch.compile(twin, fullgraph=True, backend="aot_eager")
    for length in (70, 90, 120):
        call = arguments(length, torch.float32)
        inputs = (call["x"], call["dt"], call["B"])
        expected, y = model(*inputs), compiled(*inputs)
        torch.testing.assert_close(y, expected)
        expected.sum().backward()
        y.sum().backward()
    torch.testing.assert_close(twin.A_log.grad, model.A_log.grad)
    dim = torch.export.Dim("L", min=2)
    program = torch.export.export(model, inputs, dynamic_shapes=({1: dim}, {1: dim}, {1: dim}))
    shorter = tuple(t[:, :33] for t in inputs)
    torch.testing.assert_close(program.module()(*shorter), model(*shorter))


@pytest.mark.slow
@pytest.mark.parametrize("given", ["all", "bare"])
def test_the_operator_passes_opcheck(given: str) -> None:
    call = {name: t.requires_grad_() for name, t in arguments(9, torch.float32).items()}
    names = ("x", "dt", "A", "B", "C", "D", "dt_bias", "initial_states")
    tensors = [call[name] if given == "all" or name in ("x", "dt", "A", "B", "C") else None for name in names]
    torch.library.opcheck(torch.ops.seizurekit.ssd_scan, (*tensors, None, 4, True, 0.0, 9.0, given == "bare", ""))


def test_inference_mode_and_autocast_do_not_change_the_result() -> None:
    from seizurekit.ops import dispatch

    call = arguments(40, torch.float32)
    expected = scan(**call, dt_softplus=True)
    dispatch.reset_cache()
    with torch.inference_mode():
        assert torch.equal(scan(**call, dt_softplus=True), expected)
    dispatch.reset_cache()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        leaf = call["x"].clone().requires_grad_()
        inside = scan(**(call | {"x": leaf}), dt_softplus=True)
        inside.sum().backward()
    assert torch.equal(inside, expected)
    assert leaf.grad is not None
    assert torch.isfinite(leaf.grad).all()


CALL = arguments(9, torch.float32)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"x": CALL["x"][0]}, r"x: shape is \(9, 4, 3\), expected \[B, L, H, P\]"),
        ({"x": CALL["x"].int()}, "x: dtype is torch.int32, expected float32, bfloat16, float16 or float64"),
        ({"dt": CALL["dt"][:, :8]}, r"dt: shape is \(2, 8, 4\), expected \[2, 9, 4\]"),
        ({"A": CALL["A"][:3]}, r"A: shape is \(3,\), expected \[4\]"),
        ({"B": CALL["B"][:, :8]}, r"B: shape is \(2, 8, 2, 5\), expected \[2, 9, G, N\]"),
        ({"B": torch.zeros(2, 9, 3, 5)}, "B: number of groups is 3, expected a divisor of x's 4 heads"),
        ({"B": CALL["B"].half()}, "B: dtype is torch.float16, expected float32"),
        ({"C": CALL["C"][..., :4]}, r"C: shape is \(2, 9, 2, 4\), expected \[2, 9, 2, 5\]"),
        ({"D": torch.zeros(3)}, r"D: shape is \(3,\), expected \[4\]"),
        ({"D": torch.zeros(4, 2)}, r"D: shape is \(4, 2\), expected \[4, 3\]"),
        ({"z": CALL["z"][:, :8]}, r"z: shape is \(2, 8, 4, 3\), expected \[2, 9, 4, 3\]"),
        ({"dt_bias": torch.zeros(3)}, r"dt_bias: shape is \(3,\), expected \[4\]"),
        ({"initial_states": torch.zeros(2, 4, 3, 4)}, r"initial_states: shape is .*, expected \[2, 4, 3, 5\]"),
        ({"seq_idx": torch.zeros(2, 9)}, "seq_idx: dtype is torch.float32, expected int32 or int64"),
        ({"A": CALL["A"].to("meta")}, "A: device is meta, expected x's device cpu"),
        ({"chunk_size": 0}, "chunk_size is 0, expected 1 or more"),
        ({"dt_limit": (1.0, 0.5)}, r"dt_limit is \(1.0, 0.5\), expected \(smallest dt, largest dt\)"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scan(**CALL | wrong)


def test_an_argument_of_the_step_that_does_not_fit_is_named() -> None:
    state, x, dt = torch.zeros(2, 4, 3, 5), CALL["x"][:, 0], CALL["dt"][:, 0]
    B = CALL["B"][:, 0]
    with pytest.raises(ValueError, match=r"state: shape is \(2, 4, 3, 6\), expected \[2, 4, 3, 5\]"):
        sk.ops.ssd_step(torch.zeros(2, 4, 3, 6), x, dt, CALL["A"], B, B)
    with pytest.raises(ValueError, match=r"dt: shape is \(2, 9, 4\), expected \[2, 4\]"):
        sk.ops.ssd_step(state, x, CALL["dt"], CALL["A"], B, B)


def test_a_requested_back_end_that_is_unavailable_is_an_error_with_the_reason() -> None:
    with pytest.raises(BackendError, match="backend is 'cudnn', expected one of mamba-ssm, torch"):
        scan(**CALL, backend="cudnn")
    with pytest.raises(BackendError, match=r"ssd_scan on cpu: mamba-ssm: \S"):
        scan(**CALL, backend="mamba-ssm")
