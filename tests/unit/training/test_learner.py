"""A step of the optimiser: gradients added up over batches, averaged weights, and what ranks tell one another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gloo_ranks import on_ranks
from seizurekit.config import Config
from seizurekit.models import build
from seizurekit.training.learner import Learner, seed_batch
from seizurekit.training.ranks import Ranks


def config(**training: Any) -> Config:
    return Config.model_validate(
        {
            "name": "tiny",
            "cache": {"dir": "nowhere"},
            "model": {"widths": [8, 8, 16], "layers": 1, "headdim": 4, "d_state": 4, "dropout": 0.0},
            "training": {"device": "cpu", "augment": False, "lr": 1e-2, "warmup": 0.0, **training},
        }
    )


def made(ranks: Ranks | None = None, **training: Any) -> Learner:
    torch.manual_seed(0)
    return Learner(build(config(**training)), config(**training), 2.0, ranks or Ranks())


def batch(number: int, windows: int = 4) -> tuple[torch.Tensor, torch.Tensor, np.ndarray[Any, np.dtype[np.int64]]]:
    generator = torch.Generator().manual_seed(number)
    x = torch.randn(windows, 19, 256, generator=generator)
    y = (torch.rand(windows, 256, generator=generator) < 0.3).to(torch.uint8)
    return x, y, np.arange(windows)


def gradients(learner: Learner) -> list[torch.Tensor]:
    return [p.grad.clone() for p in learner.model.parameters() if p.grad is not None]


def test_batches_that_are_added_up_have_the_gradient_of_one_that_holds_them_all() -> None:
    (x, y, numbers), parts = batch(0), []
    for pieces in ([slice(0, 4)], [slice(0, 1), slice(1, 4)]):
        learner = made()
        learner.model.eval()  # or batch norms would see other batches
        for piece in pieces:
            learner.add(x[piece], y[piece], numbers[piece], (0, 0), 4, piece.stop == 4)
        parts.append((gradients(learner), learner.update(1e-3).read()))
    for one, other in zip(parts[0][0], parts[1][0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    one, other = parts[0][1], parts[1][1]
    assert one.mean_loss == pytest.approx(other.mean_loss, rel=1e-5)
    assert (one.windows, one.seizure) == (other.windows, other.seizure) == (4, int(y.sum()))


def test_the_outcome_tells_of_seizure_samples_and_how_many_were_found() -> None:
    learner = made()
    x, y, numbers = batch(1)
    head = learner.model.get_submodule("head")
    torch.nn.init.zeros_(head.get_parameter("weight"))
    for bias, found in ((3.0, int(y.sum())), (-3.0, 0)):
        torch.nn.init.constant_(head.get_parameter("bias"), bias)
        learner.add(x, y, numbers, (0, 0), 4, True)
        assert learner.update(0.0).read().found == found


def test_averaged_weights_follow_the_weights_and_are_what_is_saved() -> None:
    learner = made(ema=0.75)
    wanted: list[torch.Tensor] = []
    for number in range(4):
        learner.add(*batch(number), (0, number), 4, True)
        learner.update(1e-2)
        weights = [p.detach().clone() for p in learner.model.parameters()]
        wanted = [0.75 * a + 0.25 * w for a, w in zip(wanted, weights, strict=True)] if wanted else weights
    for average, expected in zip(learner.detector.parameters(), wanted, strict=True):
        torch.testing.assert_close(average.data, expected)
    assert any(
        not torch.equal(a, b) for a, b in zip(learner.detector.parameters(), learner.model.parameters(), strict=True)
    )


def test_without_averages_the_weights_themselves_are_saved() -> None:
    learner = made()
    assert learner.detector is learner.model


@pytest.mark.parametrize("poison", ["x", "loss"])
def test_a_step_that_is_not_finite_changes_nothing(poison: str) -> None:
    learner = made()
    learner.add(*batch(0), (0, 0), 4, True)
    learner.update(1e-2)
    before = {name: tensor.clone() for name, tensor in learner.tensors().items()}
    x, y, numbers = batch(1)
    if poison == "loss":
        learner._pos_weight = float("inf")
    learner.add(x * float("nan") if poison == "x" else x, y, numbers, (0, 1), 4, True)
    assert not learner.update(1e-2).read().finite
    after = learner.tensors()
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_randomness_follows_from_the_place_alone() -> None:
    drawn = {}
    for place in ((0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 8, 0), (0, 0, 0, 1)):
        seed_batch(*place)
        drawn[place] = torch.rand(4).tolist()
    seed_batch(0, 0, 0, 0)
    assert torch.rand(4).tolist() == drawn[0, 0, 0, 0]
    assert len({tuple(values) for values in drawn.values()}) == len(drawn)


def reductions(ranks: Ranks) -> tuple[list[int], list[bool]]:
    """How often gradients were exchanged for steps of one batch and of three; and who heard of rank 1's stop."""
    learner = made(ranks)
    count = 0

    def counted(state, bucket):  # type: ignore[no-untyped-def]  # torch takes no annotations that are strings
        nonlocal count
        count += 1
        shared = torch.distributed.all_reduce(bucket.buffer(), async_op=True).get_future()
        return shared.then(lambda done: done.value()[0] / ranks.world)

    run: Any = learner._run
    run.register_comm_hook(None, counted)
    counts, stops = [], []
    for batches in (1, 3):
        count = 0
        for i in range(batches):
            learner.add(*batch(ranks.rank), (0, i), 8 * batches, i + 1 == batches)
        stops.append(learner.update(1e-2, stop=ranks.rank == 1 and batches == 3).read().stop)
        counts.append(count)
    return counts, stops


def test_gradients_are_exchanged_once_a_step_and_a_stop_is_heard_by_all() -> None:
    for counts, stops in on_ranks(2, reductions):
        assert counts[0] == counts[1] > 0
        assert stops == [False, True]
