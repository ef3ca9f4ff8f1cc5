"""Running a detector on whole recordings of any length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seizurekit.detection.stitch import seizure_probability


class FirstChannel(nn.Module):
    """Logits equal the first channel, so that a misplaced window changes the result."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.lengths: set[int] = set()

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.lengths.add(x.shape[-1])
        return x[:, 0] * self.scale


class Position(nn.Module):
    """Logits are the position in the window, from -1 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.linspace(-1, 1, x.shape[-1]).repeat(len(x), 1) * self.scale


@pytest.mark.parametrize("samples", [1, 2, 63, 64, 65, 96, 100, 128, 1000, 4099])
def test_each_sample_gets_its_own_probability(samples: int) -> None:
    signal = np.random.default_rng(samples).normal(size=(19, samples)).astype(np.float32)
    model = FirstChannel()
    probability = seizure_probability(model, signal, 64)
    assert probability.dtype == np.float32
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-signal[0])), rtol=1e-5)
    assert model.lengths == {64}


def test_the_mode_of_the_model_is_restored() -> None:
    for training in (True, False):
        model = FirstChannel().train(training)
        seizure_probability(model, np.zeros((19, 100), np.float32), 64)
        assert model.training is training


def test_probabilities_are_continuous_at_window_boundaries() -> None:
    probability = seizure_probability(Position(), np.zeros((19, 640), np.float32), 64)
    inner = probability[64:-64]
    assert np.abs(np.diff(inner)).max() < 0.02
    assert (probability >= 0).all()
    assert (probability <= 1).all()


def test_a_window_can_have_one_sample() -> None:
    assert seizure_probability(FirstChannel(), np.zeros((19, 5), np.float32), 1).tolist() == [0.5] * 5
