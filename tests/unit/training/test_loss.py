"""The loss: its weight and its value."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seizurekit.errors import CacheError
from seizurekit.training.loss import positive_weight, seizure_loss


def test_the_weight_is_the_root_of_the_odds_against_a_seizure_sample() -> None:
    assert positive_weight(0.2) == 2.0
    assert positive_weight(0.5) == 1.0
    assert positive_weight(0.342) == pytest.approx(1.387, abs=1e-3)


@pytest.mark.parametrize(("ratio", "found"), [(0.0, "no sample"), (1.0, "every sample")])
def test_windows_of_one_kind_of_sample_are_refused(ratio: float, found: str) -> None:
    with pytest.raises(CacheError, match=found):
        positive_weight(ratio)


def test_the_loss_is_the_weighted_cross_entropy_of_every_sample() -> None:
    rng = np.random.default_rng(0)
    logits, mask = rng.normal(size=(3, 50)) * 3, (rng.random((3, 50)) < 0.3).astype(np.uint8)
    p = 1 / (1 + np.exp(-logits))
    wanted = -np.mean(2.5 * mask * np.log(p) + (1 - mask) * np.log(1 - p))
    found = seizure_loss(torch.from_numpy(logits).float(), torch.from_numpy(mask), 2.5)
    assert found.item() == pytest.approx(wanted, rel=1e-5)


def test_the_loss_of_half_precision_logits_is_computed_in_single() -> None:
    loss = seizure_loss(torch.full((1, 8), 20.0, dtype=torch.bfloat16), torch.zeros(1, 8, dtype=torch.uint8), 1.0)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(20.0)
