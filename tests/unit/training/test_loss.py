"""The loss and its weight."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seizurekit.errors import CacheError
from seizurekit.training.loss import positive_weight, seizure_loss


def test_the_weight_is_the_square_root_of_the_odds_against_a_seizure_sample() -> None:
    assert positive_weight(0.2) == 2.0
    assert positive_weight(0.5) == 1.0
    assert positive_weight(0.342) == pytest.approx(1.387, abs=1e-3)


@pytest.mark.parametrize(("ratio", "message"), [(0.0, "no sample"), (1.0, "every sample")])
def test_windows_of_one_class_are_an_error(ratio: float, message: str) -> None:
    with pytest.raises(CacheError, match=message):
        positive_weight(ratio)


def test_the_loss_is_the_weighted_cross_entropy_of_every_sample() -> None:
    rng = np.random.default_rng(0)
    logits, mask = rng.normal(size=(3, 50)) * 3, (rng.random((3, 50)) < 0.3).astype(np.uint8)
    p = 1 / (1 + np.exp(-logits))
    expected = -np.mean(2.5 * mask * np.log(p) + (1 - mask) * np.log(1 - p))
    found = seizure_loss(torch.from_numpy(logits).float(), torch.from_numpy(mask), 2.5)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_half_precision_logits_is_computed_in_single_precision() -> None:
    loss = seizure_loss(torch.full((1, 8), 20.0, dtype=torch.bfloat16), torch.zeros(1, 8, dtype=torch.uint8), 1.0)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(20.0)


def random_logits() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(4, 60)) * 3, (rng.random((4, 60)) < 0.3).astype(np.uint8)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_the_focal_loss_is_that_of_the_paper_with_a_weight_on_seizure_samples(gamma: float) -> None:
    logits, mask = random_logits()
    p = 1 / (1 + np.exp(-logits))
    p_true, alpha = np.where(mask, p, 1 - p), np.where(mask, 2.5, 1.0)
    expected = -np.mean(alpha * (1 - p_true) ** gamma * np.log(p_true))
    found = seizure_loss(torch.from_numpy(logits), torch.from_numpy(mask), 2.5, gamma)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_the_focal_loss_converges_to_the_cross_entropy_at_gamma_0() -> None:
    logits, mask = map(torch.from_numpy, random_logits())
    plain = seizure_loss(logits, mask, 1.7)
    assert torch.equal(seizure_loss(logits, mask, 1.7, 0.0), plain)
    torch.testing.assert_close(seizure_loss(logits, mask, 1.7, 1e-9), plain, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("gamma", [None, 0.0, 0.3, 2.0, 10.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_loss_and_gradient_are_finite_at_extreme_logits(gamma: float | None, dtype: torch.dtype) -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0, 89.0, -89.0]] * 2, dtype=dtype, requires_grad=True)
    mask = torch.tensor([[0] * 5, [1] * 5], dtype=torch.uint8)
    loss = seizure_loss(logits, mask, 3.0, gamma)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("gamma", [None, 0.5, 2.0])
@pytest.mark.parametrize("per_window", [False, True])
def test_the_gradient_matches_finite_differences(gamma: float | None, per_window: bool) -> None:
    logits, mask = map(torch.from_numpy, random_logits())
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: seizure_loss(z, mask, 2.5, gamma, per_window=per_window), logits)


def test_means_of_windows_give_the_mean_of_the_batch_for_any_division() -> None:
    logits, mask = map(torch.from_numpy, random_logits())
    whole = seizure_loss(logits, mask, 2.5, 2.0)
    parts = [seizure_loss(logits[part], mask[part], 2.5, 2.0, per_window=True) for part in (slice(1), slice(1, 4))]
    assert [len(part) for part in parts] == [1, 3]
    torch.testing.assert_close(sum(part.sum() for part in parts) / 4, whole)
