"""The detector: shapes, start, stability, and that every parameter takes part."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import seizurekit as sk
from seizurekit.config import Config, ModelConfig

SMALL = ModelConfig(widths=(8, 12, 16), blocks=2, dropout=0.0)


@pytest.mark.parametrize("samples", [1, 3, 4, 5, 63, 64, 65, 1000, 1024, 7680])
@pytest.mark.parametrize("widths", [(8, 12), (8, 12, 16), (4, 4, 4, 4)], ids=str)
def test_a_window_of_any_length_gives_a_logit_for_every_sample(widths: tuple[int, ...], samples: int) -> None:
    model = sk.models.build(ModelConfig(widths=widths)).eval()
    logits = model(torch.randn(2, 19, samples))
    assert logits.shape == (2, samples)
    assert torch.isfinite(logits).all()


def test_a_whole_configuration_builds_what_its_section_says() -> None:
    config = Config.model_validate({"name": "a", "cache": {"dir": "b"}, "model": {"widths": [8, 12], "blocks": 1}})
    names = sk.models.build(config).state_dict().keys()
    assert names == sk.models.build(config.model).state_dict().keys()


@pytest.mark.parametrize("ratio", [0.01, 0.22, 0.9])
def test_an_untrained_detector_expects_the_seizure_ratio(ratio: float) -> None:
    torch.manual_seed(0)
    probability = torch.sigmoid(sk.models.build(SMALL, ratio).eval()(torch.randn(4, 19, 2048)))
    assert probability.mean().item() == pytest.approx(ratio, rel=0.1)


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.5, float("nan")])
def test_a_seizure_ratio_that_is_no_share_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="seizure_ratio"):
        sk.models.build(SMALL, ratio)


@pytest.mark.parametrize("level", [0.0, 10.0, -10.0])
@pytest.mark.parametrize("training", [True, False])
def test_constant_windows_give_finite_logits_and_gradients(level: float, training: bool) -> None:
    model = sk.models.build(SMALL).train(training)
    logits = model(torch.full((2, 19, 512), level))
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_every_parameter_takes_part() -> None:
    model = sk.models.build(SMALL)
    for module in model.modules():  # a block starts as identity, which hides the convolution before the zero
        if isinstance(module, nn.BatchNorm1d):
            nn.init.ones_(module.weight)
    model(torch.randn(2, 19, 512)).square().sum().backward()
    unused = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert unused == []


def test_windows_of_a_batch_do_not_mix() -> None:
    model = sk.models.build(SMALL).eval()
    x = torch.randn(3, 19, 700)
    torch.testing.assert_close(model(x)[1:2], model(x[1:2]), rtol=1e-4, atol=1e-5)


def test_the_small_detector_learns_to_tell_a_rhythm_from_noise() -> None:
    torch.manual_seed(0)
    model = sk.models.build(SMALL, 0.5)
    seconds = torch.arange(1024) / 256.0
    y = (torch.arange(1024) >= 512).float().repeat(8, 1)
    rhythm = 3.0 * torch.sin(2 * torch.pi * 4.0 * seconds) * y[0]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(40):
        loss = nn.functional.binary_cross_entropy_with_logits(model(torch.randn(8, 19, 1024) + rhythm), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    logits = model.eval()(torch.randn(8, 19, 1024) + rhythm)
    assert ((logits > 0) == (y > 0)).float().mean() > 0.9
