"""The optimiser's groups, and the learning rate over a run."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import seizurekit as sk
from seizurekit.config import ModelConfig, TrainingConfig
from seizurekit.training.optimizer import learning_rate, make_optimizer


def rates(steps: int, **training: float) -> list[float]:
    config = TrainingConfig(**training)  # type: ignore[arg-type]
    return [learning_rate((step + 0.5) / steps, config) for step in range(steps)]


def test_the_learning_rate_warms_up_from_the_first_step_and_falls_to_nearly_0() -> None:
    found = rates(200, lr=1.0, warmup=0.1)
    assert 0 < found[0] < 0.06
    assert 0.97 < max(found) <= 1.0
    assert all(a < b for a, b in pairwise(found[:20]))
    assert all(a > b for a, b in pairwise(found[20:]))
    assert 0 < found[-1] < 1e-3


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_a_run_may_have_no_warm_up_or_nothing_else(warmup: float) -> None:
    assert all(0 < rate <= 2e-3 for rate in rates(10, warmup=warmup))


def test_beyond_a_run_the_rate_is_that_of_its_end() -> None:
    assert learning_rate(1.5, TrainingConfig(warmup=0.1)) == 0.0
    assert learning_rate(1.5, TrainingConfig(lr=1.0, warmup=1.0)) == 1.0


def test_norms_biases_and_what_mamba_keeps_are_not_decayed() -> None:
    model = sk.models.build(ModelConfig(size="tiny"))
    decayed, others = make_optimizer(model, TrainingConfig(weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    kept = {names[id(parameter)] for parameter in others["params"]}
    for ending in ("A_log", ".D", "dt_bias", "norm.weight", "head.bias", "norm1.bias"):
        assert any(name.endswith(ending) for name in kept), ending
    assert {names[id(p)] for p in decayed["params"]} == {n for n, p in model.named_parameters() if p.ndim > 1}
    assert len(decayed["params"]) + len(others["params"]) == len(names)


def test_the_optimiser_is_fused_where_torch_can() -> None:
    optimizer = make_optimizer(torch.nn.Linear(2, 2), TrainingConfig())
    try:
        torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))], fused=True)
    except RuntimeError:
        assert not optimizer.defaults["fused"]
    else:
        assert optimizer.defaults["fused"]
