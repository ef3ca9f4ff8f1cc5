from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

import seizurekit as sk
from seizurekit.errors import BackendError
from seizurekit.kernels.ssd_scan import reference
from seizurekit.kernels.ssd_scan.arguments import ScanInputs, ScanOptions

scan = sk.ops.ssd_scan


def arguments(length: int = 19, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "x": normal(2, length, 4, 3),
        "dt": normal(2, length, 4),
        "A": -torch.exp(normal(4)),
        "B": normal(2, length, 2, 5),
        "C": normal(2, length, 2, 5),
        "D": normal(4, 3),
        "z": normal(2, length, 4, 3),
        "dt_bias": normal(4),
        "initial_states": normal(2, 4, 3, 5),
    }


def plain(call: dict[str, Tensor], reverse: bool = False) -> tuple[Tensor, Tensor]:
    names = ("x", "dt", "A", "B", "C", "D", "dt_bias", "initial_states")
    inputs = ScanInputs(*(call.get(name) for name in names))
    y, final = reference.forward(inputs, ScanOptions(dt_softplus=True, reverse=reverse))
    return (y * functional.silu(call["z"]) if "z" in call else y), final


@pytest.mark.parametrize("reverse", [False, True])
def test_it_is_the_recurrence_with_a_gate_forward_and_backward(reverse: bool) -> None:
    call = {name: t.requires_grad_() for name, t in arguments().items()}
    found = scan(**call, dt_softplus=True, return_final_states=True, reverse=reverse)
    wanted = plain(call, reverse)
    torch.testing.assert_close(found, wanted)
    seeds = [torch.cos(t.detach() * 3) for t in wanted]
    leaves = list(call.values())
    torch.testing.assert_close(torch.autograd.grad(found, leaves, seeds), torch.autograd.grad(wanted, leaves, seeds))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("chunk_size", [None, 4])
def test_gradients_pass_gradcheck(chunk_size: int | None, reverse: bool) -> None:
    call = {name: t.requires_grad_() for name, t in arguments(7).items()}

    def function(*leaves: Tensor) -> tuple[Tensor, Tensor]:
        named = dict(zip(call, leaves, strict=True))
        return scan(**named, chunk_size=chunk_size, dt_softplus=True, return_final_states=True, reverse=reverse)

    assert torch.autograd.gradcheck(function, tuple(call.values()))


@given(pieces=st.lists(st.integers(1, 70), min_size=1, max_size=4), reverse=st.booleans())
@settings(max_examples=20)
def test_pieces_chained_by_their_states_give_the_whole(pieces: list[int], reverse: bool) -> None:
    call = arguments(sum(pieces))
    whole, final = scan(**call, dt_softplus=True, return_final_states=True, reverse=reverse)
    state = call.pop("initial_states")
    along = {name: torch.split(call[name], pieces, dim=1) for name in ("x", "dt", "B", "C", "z")}
    order = range(len(pieces))
    found = [whole] * len(pieces)
    for k in reversed(order) if reverse else order:
        part = call | {name: parts[k] for name, parts in along.items()} | {"initial_states": state}
        found[k], state = scan(**part, dt_softplus=True, return_final_states=True, reverse=reverse)
    torch.testing.assert_close((torch.cat(found, dim=1), state), (whole, final))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_steps_of_streaming_give_the_whole(dtype: torch.dtype) -> None:
    call = arguments(30, dtype)
    wanted, final = scan(**call, dt_softplus=True, dt_limit=(0.2, 1.5), return_final_states=True)
    state = call.pop("initial_states").to(final.dtype)
    along = {name: call.pop(name) for name in ("x", "dt", "B", "C", "z")}
    steps = [
        sk.ops.ssd_step(
            state, **{name: t[:, k] for name, t in along.items()}, **call, dt_softplus=True, dt_limit=(0.2, 1.5)
        )
        for k in range(30)
    ]
    tolerance = {"rtol": 1e-2, "atol": 1e-2} if dtype == torch.bfloat16 else {}
    torch.testing.assert_close(torch.stack(steps, dim=1), wanted, **tolerance)
    torch.testing.assert_close(state, final, rtol=1e-5, atol=1e-5)


def test_no_element_is_left_unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    call = {name: t.requires_grad_() for name, t in arguments(130).items()}
    wanted = plain(call)
    for name in ("empty", "empty_like"):
        plainly = getattr(torch, name)
        monkeypatch.setattr(torch, name, lambda *a, plainly=plainly, **k: plainly(*a, **k).fill_(torch.nan))
    y, final = scan(**call, dt_softplus=True, return_final_states=True)
    torch.testing.assert_close((y, final), wanted)
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(y.sum() + final.sum(), list(call.values())))


def test_memory_kept_for_the_backward_pass_is_the_inputs_alone() -> None:
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


@pytest.mark.parametrize("passes", ["forward", "backward"])
def test_the_largest_tensor_grows_with_the_length_at_most(passes: str) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Largest(TorchDispatchMode):
        numel = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = function(*args, **(kwargs or {}))
            for leaf in tree_leaves(result):
                if isinstance(leaf, Tensor):
                    self.numel = max(self.numel, leaf.untyped_storage().nbytes())
            return result

    from seizurekit.kernels.ssd_scan import chunked

    for length in (2_000, 4_000):
        call = arguments(length)
        names = ("x", "dt", "A", "B", "C", "D", "dt_bias", "initial_states")
        inputs = ScanInputs(*(call[name] for name in names))
        with Largest() as largest:
            if passes == "forward":
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


def test_a_model_with_it_compiles_without_a_break_and_exports() -> None:
    model = Scan()
    twin = copy.deepcopy(model)
    compiled = torch.compile(twin, fullgraph=True, backend="aot_eager")
    for length in (70, 90, 120):
        call = arguments(length, torch.float32)
        inputs = (call["x"], call["dt"], call["B"])
        wanted, found = model(*inputs), compiled(*inputs)
        torch.testing.assert_close(found, wanted)
        wanted.sum().backward()
        found.sum().backward()
    torch.testing.assert_close(twin.A_log.grad, model.A_log.grad)
    length = torch.export.Dim("L", min=2)
    program = torch.export.export(model, inputs, dynamic_shapes=({1: length}, {1: length}, {1: length}))
    shorter = tuple(t[:, :33] for t in inputs)
    torch.testing.assert_close(program.module()(*shorter), model(*shorter))


@pytest.mark.parametrize("given", ["all", "bare"])
def test_torch_finds_nothing_to_object_to_in_the_operator(given: str) -> None:
    call = {name: t.requires_grad_() for name, t in arguments(9, torch.float32).items()}
    names = ("x", "dt", "A", "B", "C", "D", "dt_bias", "initial_states")
    tensors = [call[name] if given == "all" or name in ("x", "dt", "A", "B", "C") else None for name in names]
    torch.library.opcheck(torch.ops.seizurekit.ssd_scan, (*tensors, None, 4, True, 0.0, 9.0, given == "bare", ""))


def test_it_works_in_inference_mode_and_under_autocast_it_computes_the_same() -> None:
    from seizurekit.ops import dispatch

    call = arguments(40, torch.float32)
    wanted = scan(**call, dt_softplus=True)
    dispatch.forget()
    with torch.inference_mode():
        assert torch.equal(scan(**call, dt_softplus=True), wanted)
    dispatch.forget()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        leaf = call["x"].clone().requires_grad_()
        inside = scan(**(call | {"x": leaf}), dt_softplus=True)
        inside.sum().backward()
    assert torch.equal(inside, wanted)
    assert torch.isfinite(leaf.grad).all()


CALL = arguments(9, torch.float32)


@pytest.mark.parametrize(
    ("wrong", "wanted"),
    [
        ({"x": CALL["x"][0]}, r"x: found shape \(9, 4, 3\), wanted \[B, L, H, P\]"),
        ({"x": CALL["x"].int()}, "x: found torch.int32, wanted float32, bfloat16, float16 or float64"),
        ({"dt": CALL["dt"][:, :8]}, r"dt: found shape \(2, 8, 4\), wanted \[2, 9, 4\]"),
        ({"A": CALL["A"][:3]}, r"A: found shape \(3,\), wanted \[4\]"),
        ({"B": CALL["B"][:, :8]}, r"B: found shape \(2, 8, 2, 5\), wanted \[2, 9, G, N\]"),
        ({"B": torch.zeros(2, 9, 3, 5)}, "B: found 3 groups, wanted a number that divides x's 4 heads"),
        ({"B": CALL["B"].half()}, "B: found torch.float16, wanted float32"),
        ({"C": CALL["C"][..., :4]}, r"C: found shape \(2, 9, 2, 4\), wanted \[2, 9, 2, 5\]"),
        ({"D": torch.zeros(3)}, r"D: found shape \(3,\), wanted \[4\]"),
        ({"D": torch.zeros(4, 2)}, r"D: found shape \(4, 2\), wanted \[4, 3\]"),
        ({"z": CALL["z"][:, :8]}, r"z: found shape \(2, 8, 4, 3\), wanted \[2, 9, 4, 3\]"),
        ({"dt_bias": torch.zeros(3)}, r"dt_bias: found shape \(3,\), wanted \[4\]"),
        ({"initial_states": torch.zeros(2, 4, 3, 4)}, r"initial_states: found shape .*, wanted \[2, 4, 3, 5\]"),
        ({"seq_idx": torch.zeros(2, 9)}, "seq_idx: found torch.float32, wanted int32 or int64"),
        ({"A": CALL["A"].to("meta")}, "A: found on meta, wanted on x's device cpu"),
        ({"chunk_size": 0}, "chunk_size: found 0, wanted 1 or more"),
        ({"dt_limit": (1.0, 0.5)}, r"dt_limit: found \(1.0, 0.5\), wanted the least dt, then the largest"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(wrong: dict[str, Tensor], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        scan(**CALL | wrong)


def test_a_step_that_does_not_fit_is_named() -> None:
    state, x, dt = torch.zeros(2, 4, 3, 5), CALL["x"][:, 0], CALL["dt"][:, 0]
    B = CALL["B"][:, 0]
    with pytest.raises(ValueError, match=r"state: found shape \(2, 4, 3, 6\), wanted \[2, 4, 3, 5\]"):
        sk.ops.ssd_step(torch.zeros(2, 4, 3, 6), x, dt, CALL["A"], B, B)
    with pytest.raises(ValueError, match=r"dt: found shape \(2, 9, 4\), wanted \[2, 4\]"):
        sk.ops.ssd_step(state, x, CALL["dt"], CALL["A"], B, B)


def test_a_back_end_that_cannot_serve_says_why_when_asked_for() -> None:
    with pytest.raises(BackendError, match="backend: found 'cudnn', wanted one of mamba-ssm, torch"):
        scan(**CALL, backend="cudnn")
    with pytest.raises(BackendError, match=r"ssd_scan on cpu: mamba-ssm: \S"):
        scan(**CALL, backend="mamba-ssm")
