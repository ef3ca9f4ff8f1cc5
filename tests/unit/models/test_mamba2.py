from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import seizurekit as sk

Mamba2 = sk.models.Mamba2
BiMamba2 = sk.models.BiMamba2
SMALL: dict[str, Any] = {"d_model": 16, "d_state": 8, "headdim": 4}
VARIANTS: list[dict[str, Any]] = [
    {},
    {"rmsnorm": False},
    {"norm_before_gate": True, "ngroups": 2},
    {"d_ssm": 16, "headdim": 2},
    {"D_has_hdim": True, "d_conv": 3},
    {"rmsnorm": False, "d_ssm": 16, "headdim": 2, "ngroups": 4, "D_has_hdim": True},
    {"dt_limit": (0.01, 0.05), "bias": True, "conv_bias": False, "d_conv": 2, "conv_init": 0.5},
]


def random_block(seed: int = 0, **arguments: Any) -> Mamba2:
    torch.manual_seed(seed)
    model = Mamba2(**SMALL | arguments)
    with torch.no_grad():
        for name in ("D", "norm.weight"):
            for parameter in (p for n, p in model.named_parameters() if n == name):
                parameter.copy_(torch.randn_like(parameter))
    return model


def relative_error(result: Tensor | None, expected: Tensor) -> float:
    assert result is not None
    return float((result - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", ["small", "no_norm"])
def test_outputs_and_gradients_equal_those_of_mamba_ssm(shared_data: Path, name: str) -> None:
    file = np.load(shared_data / "mamba2" / f"{name}.npz")
    model = Mamba2(**json.loads(str(file["config"])))
    state = {key.removeprefix("state/"): torch.from_numpy(file[key]) for key in file if key.startswith("state/")}
    assert list(model.state_dict()) == list(state)
    model.load_state_dict(state, strict=True)
    u = torch.from_numpy(file["u"]).requires_grad_()
    y = model(u)
    y.backward(torch.from_numpy(file["dy"]))
    assert relative_error(y.detach(), torch.from_numpy(file["y"])) < 2e-6
    assert relative_error(u.grad, torch.from_numpy(file["du"])) < 2e-6
    for key, parameter in model.named_parameters():
        assert relative_error(parameter.grad, torch.from_numpy(file[f"grad/{key}"])) < 2e-5, key


def test_parameters_have_the_names_shapes_and_dtypes_of_mamba_ssm() -> None:
    model = Mamba2(64, d_state=16, headdim=8, ngroups=2, bias=True, dtype=torch.bfloat16)
    assert {name: tuple(p.shape) for name, p in model.named_parameters()} == {
        "dt_bias": (16,),
        "A_log": (16,),
        "D": (16,),
        "in_proj.weight": (2 * 128 + 2 * 2 * 16 + 16, 64),
        "in_proj.bias": (2 * 128 + 2 * 2 * 16 + 16,),
        "conv1d.weight": (128 + 2 * 2 * 16, 1, 4),
        "conv1d.bias": (128 + 2 * 2 * 16,),
        "norm.weight": (128,),
        "out_proj.weight": (64, 128),
        "out_proj.bias": (64,),
    }
    assert {p.dtype for name, p in model.named_parameters() if name != "D"} == {torch.bfloat16}
    assert model.D.dtype == torch.float32
    assert "norm.weight" not in Mamba2(64, d_state=16, headdim=8, rmsnorm=False).state_dict()
    assert Mamba2(64, d_state=16, headdim=8, D_has_hdim=True).D.shape == (128,)
    assert all(getattr(p, "_no_weight_decay", False) for p in (model.dt_bias, model.A_log, model.D))


def test_parameters_are_initialized_like_those_of_mamba_ssm() -> None:
    torch.manual_seed(0)
    model = Mamba2(2048, d_state=16, headdim=4, conv_init=0.25, dt_init_floor=2e-3)
    dt = torch.nn.functional.softplus(model.dt_bias.detach())
    assert 2e-3 * 0.999 < dt.min() < 2.1e-3
    assert 0.09 < dt.max() < 0.1001
    # log-uniform: half are below the geometric mean
    assert abs(float((dt < (0.001 * 0.1) ** 0.5).float().mean()) - 0.5) < 0.05
    A = model.A_log.detach().exp()
    assert A.min() >= 1
    assert A.max() <= 16
    assert abs(float(A.mean()) - 8.5) < 0.5
    assert model.conv1d.weight.abs().max() <= 0.25
    assert torch.equal(model.D, torch.ones(1024))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_steps_over_all_samples_equal_forward(variant: dict[str, Any]) -> None:
    model = random_block(**variant)
    u = torch.randn(3, 21, 16)
    conv_state, ssm_state = model.allocate_inference_cache(3, 21)
    outputs = []
    for t in range(21):
        y, *states = model.step(u[:, t : t + 1], conv_state, ssm_state)
        assert states[0] is conv_state
        assert states[1] is ssm_state
        outputs.append(y)
    torch.testing.assert_close(torch.cat(outputs, dim=1), model(u), rtol=1e-4, atol=1e-5)


@given(pieces=st.lists(st.integers(1, 80), min_size=1, max_size=4), reverse=st.booleans())
@settings(max_examples=15)
def test_pieces_linked_by_their_states_equal_the_whole(pieces: list[int], reverse: bool) -> None:
    model = random_block(reverse=reverse)
    u = torch.randn(2, sum(pieces), 16)
    conv_state, ssm_state = model.allocate_inference_cache(2)
    parts = list(torch.split(u, pieces, dim=1))
    states = {"conv_state": conv_state, "ssm_state": ssm_state}
    outputs = [model(part, **states) for part in (reversed(parts) if reverse else parts)]
    torch.testing.assert_close(torch.cat(outputs[::-1] if reverse else outputs, dim=1), model(u), rtol=1e-4, atol=1e-5)


def test_steps_continue_where_a_piece_ended() -> None:
    model = random_block()
    u = torch.randn(2, 12, 16)
    states = model.allocate_inference_cache(2)
    first = model(u[:, :9], conv_state=states[0], ssm_state=states[1])
    first.sum().backward()  # the states were already updated
    last = [model.step(u[:, t : t + 1], *states)[0] for t in range(9, 12)]
    torch.testing.assert_close(torch.cat((first, *last), dim=1), model(u), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_the_reverse_block_equals_the_flipped_block_forward_and_backward(variant: dict[str, Any]) -> None:
    model = random_block(**variant).double()
    reverse = random_block(**variant, reverse=True).double()
    reverse.load_state_dict(model.state_dict())
    u, dy = torch.randn(2, 70, 16, dtype=torch.float64), torch.randn(2, 70, 16, dtype=torch.float64)
    expected, y = model(u.flip(1)).flip(1), reverse(u)
    torch.testing.assert_close(y, expected)
    expected.backward(dy)
    y.backward(dy)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(reverse.get_parameter(name).grad, parameter.grad)


def test_gradients_pass_gradcheck() -> None:
    model = random_block(d_state=3, ngroups=2).double()
    u = torch.randn(1, 5, 16, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model, (u,))


@given(
    length=st.integers(1, 150),
    heads=st.sampled_from([8, 16]),
    headdim=st.integers(1, 5),
    groups=st.sampled_from([1, 2, 4, 8]),
    d_state=st.integers(1, 9),
    d_conv=st.integers(2, 4),
)
@settings(max_examples=20)
def test_blocks_of_any_shape_are_causal(
    length: int, heads: int, headdim: int, groups: int, d_state: int, d_conv: int
) -> None:
    torch.manual_seed(0)
    model = Mamba2(heads * headdim, d_state, d_conv, expand=1, headdim=headdim, ngroups=groups)
    u = torch.randn(2, length, heads * headdim)
    y = model(u)
    assert y.shape == u.shape
    assert torch.isfinite(y).all()
    cut = length // 2
    changed = u.clone()
    changed[:, cut:] = 0
    torch.testing.assert_close(model(changed)[:, :cut], y[:, :cut], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunk_size", [1, 16, 48])
def test_the_chunk_size_does_not_change_the_result(chunk_size: int) -> None:
    model, other = random_block().double(), random_block(chunk_size=chunk_size).double()
    u = torch.randn(2, 130, 16, dtype=torch.float64)
    torch.testing.assert_close(other(u), model(u))


@pytest.mark.parametrize("how", ["parameters", "autocast"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
def test_bfloat16_gives_no_nan_at_batch_1(how: str, scale: float) -> None:
    model = BiMamba2(**SMALL)
    u = scale * torch.randn(1, 960, 16).clamp(-10, 10)
    if how == "parameters":
        model, u = model.bfloat16(), u.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=how == "autocast"):
        y = model(u)
    assert y.dtype == torch.bfloat16
    y.float().square().mean().backward()
    assert torch.isfinite(y).all()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_both_directions_are_added_and_each_output_depends_on_all_inputs() -> None:
    torch.manual_seed(0)
    model = BiMamba2(**SMALL).double()
    u = torch.randn(2, 40, 16, dtype=torch.float64, requires_grad=True)
    causal = Mamba2(**SMALL).double()
    causal.load_state_dict(model.backwards.state_dict())
    torch.testing.assert_close(model(u), model.forwards(u) + causal(u.flip(1)).flip(1))
    (gradient,) = torch.autograd.grad(model(u)[:, 20].sum(), u)
    assert (gradient.abs().sum((0, 2)) > 0).all()


@pytest.mark.parametrize("call", ["step", "allocate_inference_cache"])
def test_an_anti_causal_block_cannot_stream(call: str) -> None:
    with pytest.raises(ValueError, match=r"BiMamba2 cannot stream: its anti-causal direction"):
        getattr(BiMamba2(**SMALL), call)(torch.zeros(1, 1, 16), None, None)
    reverse = random_block(reverse=True)
    with pytest.raises(ValueError, match=r"step: a Mamba2 with reverse=True cannot stream"):
        reverse.step(torch.zeros(1, 1, 16), *reverse.allocate_inference_cache(1))


def test_it_exports_with_a_variable_length() -> None:
    model = BiMamba2(**SMALL)
    u = torch.randn(2, 65, 16)
    program = torch.export.export(model, (u,), dynamic_shapes=({1: torch.export.Dim("L", min=2)},))
    torch.testing.assert_close(program.module()(u[:, :33]), model(u[:, :33]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"headdim": 5}, r"headdim is 5, expected a divisor of expand \* d_model = 32"),
        ({"d_conv": 5}, "d_conv is 5, expected 2, 3 or 4"),
        ({"d_conv": 1}, "d_conv is 1, expected 2, 3 or 4"),
        ({"d_ssm": 30}, r"d_ssm is 30, expected a multiple of headdim \(4\) up to 32"),
        ({"d_ssm": 36}, r"d_ssm is 36, expected a multiple of headdim \(4\) up to 32"),
        ({"ngroups": 3}, "ngroups is 3, expected a divisor of the 8 heads"),
        ({"A_init_range": (0, 1)}, r"A_init_range is \(0, 1\), expected two ascending numbers above 0"),
        ({"process_group": object()}, "process_group is given, expected None"),
    ],
)
def test_an_invalid_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mamba2(**SMALL | arguments)


def test_an_unsupported_argument_of_forward_is_named() -> None:
    model = random_block()
    with pytest.raises(ValueError, match=r"u: shape is \(3, 15\), expected \[B, L, 16\]"):
        model(torch.zeros(3, 15))
    for name in ("seqlen", "seq_idx", "cu_seqlens", "inference_params"):
        with pytest.raises(ValueError, match=f"{name}: type is int, expected None"):
            model(torch.zeros(1, 3, 16), **{name: 1})
    with pytest.raises(ValueError, match="conv_state, ssm_state: one of them is None, expected both or neither"):
        model(torch.zeros(1, 3, 16), ssm_state=model.allocate_inference_cache(1)[1])


@pytest.mark.parametrize(("d_model", "headdim", "heads"), [(64, 64, 2), (128, 64, 4), (48, 32, 3)])
def test_heads_that_are_not_a_multiple_of_8_give_a_warning_and_a_working_block(
    d_model: int, headdim: int, heads: int
) -> None:
    with pytest.warns(UserWarning, match=rf"= {heads}, expected a multiple of 8: in_proj has \d+ outputs"):
        model = Mamba2(d_model, headdim=headdim)
    assert torch.isfinite(model(torch.randn(1, 5, d_model))).all()


@pytest.mark.parametrize(("d_model", "headdim"), [(256, 64), (64, 16), (192, 48)])
def test_heads_that_are_a_multiple_of_8_give_no_warning(d_model: int, headdim: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Mamba2(d_model, headdim=headdim)


def test_many_blocks_of_one_shape_warn_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            BiMamba2(24, headdim=16)
    assert len(caught) == 1
