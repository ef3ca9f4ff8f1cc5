"""An optimizer step: gradients accumulated over batches, averaged weights, and communication between ranks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from rank_processes import run_on_ranks
from seizurekit.models import build
from seizurekit.training.learner import Learner
from seizurekit.training.ranks import Ranks
from seizurekit.training.seeding import seed_batch
from seizurekit.training.step import Outcome
from tiny import tiny_config


def new_learner(ranks: Ranks | None = None, dropout: float = 0.0, **training: Any) -> Learner:
    torch.manual_seed(0)
    config = tiny_config(
        model={"dropout": dropout}, training={"augment": False, "lr": 1e-2, "warmup": 0.0, "epochs": 10, **training}
    )
    return Learner(build(config), config, 2.0, ranks or Ranks())


def batch(seed: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray[Any, np.dtype[np.int64]]]:
    """Four windows of noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(4, 19, 256, generator=generator)
    y = (torch.rand(4, 256, generator=generator) < 0.3).to(torch.uint8)
    return x, y, np.arange(4)


def take_step(learner: Learner, seed: int, lr: float = 1e-2) -> Outcome:
    learner.accumulate(*batch(seed), epoch=0, before=seed, step_windows=4, is_last=True)
    return learner.update(lr).read()


def gradients(learner: Learner) -> list[torch.Tensor]:
    return [p.grad.clone() for p in learner.model.parameters() if p.grad is not None]


def test_accumulated_batches_have_the_gradient_of_one_batch_of_all_windows() -> None:
    (x, y, indices), results = batch(0), []
    for parts in ([slice(0, 4)], [slice(0, 1), slice(1, 4)]):
        learner = new_learner()
        learner.model.eval()  # batch norms would depend on the batch
        for part in parts:
            learner.accumulate(
                x[part], y[part], indices[part], epoch=0, before=0, step_windows=4, is_last=part.stop == 4
            )
        results.append((gradients(learner), learner.update(1e-3).read()))
    (one_gradients, one), (other_gradients, other) = results
    for gradient, other_gradient in zip(one_gradients, other_gradients, strict=True):
        torch.testing.assert_close(gradient, other_gradient, rtol=1e-4, atol=1e-6)
    assert one.mean_loss == pytest.approx(other.mean_loss, rel=1e-5)
    assert (one.windows, one.seizure) == (other.windows, other.seizure) == (4, int(y.sum()))


def test_the_outcome_counts_the_seizure_samples_that_were_found() -> None:
    learner = new_learner()
    _, y, _ = batch(1)
    head = learner.model.get_submodule("head")
    torch.nn.init.zeros_(head.get_parameter("weight"))
    for bias, found in ((3.0, int(y.sum())), (-3.0, 0)):
        torch.nn.init.constant_(head.get_parameter("bias"), bias)
        assert take_step(learner, 1, lr=0.0).found == found


def test_averaged_weights_follow_the_weights_and_are_the_detector() -> None:
    learner = new_learner(ema=0.75)
    averages: list[torch.Tensor] = []
    for seed in range(4):
        take_step(learner, seed)
        weights = [p.detach().clone() for p in learner.model.parameters()]
        averages = [0.75 * a + 0.25 * w for a, w in zip(averages, weights, strict=True)] if averages else weights
    for average, expected in zip(learner.detector.parameters(), averages, strict=True):
        torch.testing.assert_close(average.data, expected)
    assert any(
        not torch.equal(a, b) for a, b in zip(learner.detector.parameters(), learner.model.parameters(), strict=True)
    )


def test_without_averages_the_weights_are_the_detector() -> None:
    learner = new_learner()
    assert learner.detector is learner.model


@pytest.mark.parametrize("poison", ["x", "loss"])
def test_a_step_that_is_not_finite_changes_nothing(poison: str) -> None:
    learner = new_learner()
    take_step(learner, 0)
    before = {name: tensor.clone() for name, tensor in learner.tensors().items()}
    x, y, indices = batch(1)
    if poison == "loss":
        learner._pos_weight = float("inf")
    x = x * float("nan") if poison == "x" else x
    learner.accumulate(x, y, indices, epoch=0, before=1, step_windows=4, is_last=True)
    assert not learner.update(1e-2).read().is_finite
    after = learner.tensors()
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_a_step_that_is_not_finite_restores_the_statistics_of_a_loaded_state() -> None:
    saved = new_learner()
    take_step(saved, 0)
    expected = {name: buffer.clone() for name, buffer in saved.model.named_buffers()}
    learner = new_learner()
    state: Any = SimpleNamespace(path="state", tensors=saved.tensors(), header=None)
    learner.load(state)
    x, y, indices = batch(1)
    learner.accumulate(x * float("nan"), y, indices, epoch=0, before=1, step_windows=4, is_last=True)
    learner.update(1e-2)
    assert all(torch.equal(buffer, expected[name]) for name, buffer in learner.model.named_buffers())


def test_dropout_depends_on_the_position_in_the_epoch() -> None:
    def loss(before: int) -> float:
        learner = new_learner(dropout=0.5)
        learner.accumulate(*batch(0), epoch=0, before=before, step_windows=4, is_last=True)
        return learner.update(0.0).read().loss

    assert loss(0) == loss(0)
    assert loss(0) != loss(4)


def test_random_numbers_depend_on_seed_epoch_position_and_rank_only() -> None:
    drawn = {}
    for arguments in ((0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 8, 0), (0, 0, 0, 1)):
        seed_batch(*arguments)
        drawn[arguments] = torch.rand(4).tolist()
    seed_batch(0, 0, 0, 0)
    assert torch.rand(4).tolist() == drawn[0, 0, 0, 0]
    assert len({tuple(values) for values in drawn.values()}) == len(drawn)


def count_exchanges(ranks: Ranks) -> tuple[list[int], list[bool]]:
    """Exchanges of gradients in steps of one batch and of three, and whether the outcomes have rank 1's stop."""
    learner = new_learner(ranks)
    count = 0

    def count_bucket(state, bucket):  # type: ignore[no-untyped-def]  # torch does not accept string annotations
        nonlocal count
        count += 1
        summed = torch.distributed.all_reduce(bucket.buffer(), async_op=True).get_future()
        return summed.then(lambda done: done.value()[0] / ranks.world)

    wrapped: Any = learner._wrapped_model
    wrapped.register_comm_hook(None, count_bucket)
    counts, stops = [], []
    for batches in (1, 3):
        count = 0
        for i in range(batches):
            learner.accumulate(
                *batch(ranks.rank), epoch=0, before=i, step_windows=8 * batches, is_last=i + 1 == batches
            )
        stops.append(learner.update(1e-2, stop=ranks.rank == 1 and batches == 3).read().stop)
        counts.append(count)
    return counts, stops


def test_gradients_are_exchanged_once_a_step_and_a_stop_reaches_all_ranks() -> None:
    for counts, stops in run_on_ranks(2, count_exchanges):
        assert counts[0] == counts[1] > 0
        assert stops == [False, True]
