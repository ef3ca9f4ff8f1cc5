"""The parameter groups of the optimizer, and the learning rate over a run."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import seizurekit as sk
from seizurekit.config import ModelConfig, TrainingConfig
from seizurekit.training.optimizer import make_optimizer
from seizurekit.training.schedule import Schedule, learning_rate


def rates(steps: int, **training: float) -> list[float]:
    config = TrainingConfig.model_validate(training)
    return [learning_rate((step + 0.5) / steps, config) for step in range(steps)]


def test_the_learning_rate_warms_up_from_the_first_step_and_falls_to_nearly_0() -> None:
    found = rates(200, lr=1.0, warmup=0.1)
    assert 0 < found[0] < 0.06
    assert 0.97 < max(found) <= 1.0
    assert all(a < b for a, b in pairwise(found[:20]))
    assert all(a > b for a, b in pairwise(found[20:]))
    assert 0 < found[-1] < 1e-3


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_the_warm_up_may_be_absent_or_last_the_whole_run(warmup: float) -> None:
    assert all(0 < rate <= 2e-3 for rate in rates(10, warmup=warmup))


def test_the_rate_stays_constant_after_the_end_of_the_run() -> None:
    assert learning_rate(1.5, TrainingConfig(warmup=0.1)) == 0.0
    assert learning_rate(1.5, TrainingConfig(lr=1.0, warmup=1.0)) == 1.0


def test_the_schedule_goes_by_windows_and_ends_with_the_run() -> None:
    schedule = Schedule(TrainingConfig(epochs=3, lr=1.0, warmup=0.5), epoch_windows=10, epoch_steps=3, step_windows=4)
    assert schedule.steps == 9
    assert schedule.learning_rate(0, 0, 4) == pytest.approx(2 / 15)
    assert schedule.learning_rate(0, 8, 2) == pytest.approx(9 / 15)
    assert schedule.learning_rate(2, 9, 1) == pytest.approx(learning_rate(29.5 / 30, schedule.training))
    shorter = Schedule(TrainingConfig(epochs=3, max_steps=2, lr=1.0, warmup=0.5), 10, 3, 4)
    assert shorter.steps == 2
    assert shorter.learning_rate(0, 0, 4) == pytest.approx(2 / 4)
    not_shorter = Schedule(TrainingConfig(epochs=3, max_steps=99, lr=1.0, warmup=0.5), 10, 3, 4)
    assert (not_shorter.steps, not_shorter.learning_rate(0, 0, 4)) == (9, schedule.learning_rate(0, 0, 4))


def test_norms_biases_and_scalars_of_mamba_are_not_decayed() -> None:
    model = sk.models.build(ModelConfig(size="tiny"))
    decayed, others = make_optimizer(model, TrainingConfig(weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    not_decayed = {names[id(parameter)] for parameter in others["params"]}
    for ending in ("A_log", ".D", "dt_bias", "norm.weight", "head.bias", "norm1.bias"):
        assert any(name.endswith(ending) for name in not_decayed), ending
    assert {names[id(p)] for p in decayed["params"]} == {n for n, p in model.named_parameters() if p.ndim > 1}
    assert len(decayed["params"]) + len(others["params"]) == len(names)


def test_the_optimizer_is_fused_if_torch_supports_it() -> None:
    optimizer = make_optimizer(torch.nn.Linear(2, 2), TrainingConfig())
    try:
        torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))], fused=True)
    except RuntimeError:
        assert not optimizer.defaults["fused"]
    else:
        assert optimizer.defaults["fused"]
