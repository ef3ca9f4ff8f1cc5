"""The detector: shapes, initialization, stability, precision, and that every parameter is used."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import seizurekit as sk
from seizurekit.config import Config, ModelConfig
from seizurekit.errors import ConfigError
from seizurekit.models.detector import SIZES

SMALL = ModelConfig(widths=(8, 8, 16), layers=1, headdim=4, d_state=8, dropout=0.0)


@pytest.mark.parametrize("samples", [1, 3, 15, 16, 17, 63, 65, 1000, 1024, 7680])
def test_a_window_of_any_length_gives_one_logit_per_sample(samples: int) -> None:
    logits = sk.models.build(SMALL).eval()(torch.randn(2, 19, samples))
    assert logits.shape == (2, samples)
    assert torch.isfinite(logits).all()


def test_the_encoder_strides_by_16_overall() -> None:
    model = sk.models.build(SMALL).eval()
    shapes: list[torch.Size] = []
    model.context.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))
    model(torch.randn(1, 19, 15360))
    assert shapes == [(1, 960, 16)]


@pytest.mark.parametrize(("size", "millions"), [("tiny", (0.1, 0.4)), ("small", (3, 6)), ("base", (22, 28))])
def test_the_sizes_have_the_documented_number_of_parameters(size: str, millions: tuple[float, float]) -> None:
    with torch.device("meta"):
        model = sk.models.build(ModelConfig.model_validate({"size": size}))
    count = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert millions[0] < count < millions[1]


@pytest.mark.parametrize("size", SIZES)
def test_the_sizes_suit_the_fused_kernels(size: str) -> None:
    with torch.device("meta"):
        # would warn about heads that are not a multiple of 8
        sk.models.build(ModelConfig.model_validate({"size": size}))


def test_a_whole_configuration_builds_the_detector_of_its_section() -> None:
    section = {"widths": [8, 12, 16], "layers": 1, "headdim": 4, "d_conv": 3}
    config = Config.model_validate({"name": "a", "cache": {"dir": "b"}, "model": section})
    model = sk.models.build(config)
    assert model.state_dict().keys() == sk.models.build(config.model).state_dict().keys()
    assert len(model.context) == 1
    assert model.get_parameter("context.0.mixer.forwards.conv1d.weight").shape[-1] == 3


def test_a_width_without_whole_heads_is_rejected() -> None:
    with pytest.raises(
        ConfigError,
        match="number of Mamba-2 channels is 2 x 12, expected a multiple",
    ):
        sk.models.build(ModelConfig(widths=(8, 8, 12)))


@pytest.mark.parametrize("ratio", [0.01, 0.22, 0.9])
def test_an_untrained_detector_expects_the_seizure_ratio(ratio: float) -> None:
    torch.manual_seed(0)
    probability = torch.sigmoid(sk.models.build(SMALL, ratio).eval()(torch.randn(4, 19, 2048)))
    assert probability.mean().item() == pytest.approx(ratio, rel=0.1)


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.5, float("nan")])
def test_a_seizure_ratio_outside_0_and_1_is_rejected(ratio: float) -> None:
    with pytest.raises(ValueError, match="seizure_ratio"):
        sk.models.build(SMALL, ratio)


def dead_channels(batch: int) -> Tensor:
    x = torch.randn(batch, 19, 512)
    x[:, ::2] = 0.0
    return x


WINDOWS = {
    "zeros": torch.zeros(2, 19, 512),
    "at the clip": torch.full((2, 19, 512), -10.0),
    "dead channels": dead_channels(2),
    "clipped noise": (30 * torch.randn(2, 19, 512)).clamp(-10, 10),
    "batch of one": dead_channels(1),
}


@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("training", [True, False])
def test_logits_and_gradients_are_finite(windows: str, precision: torch.dtype, training: bool) -> None:
    model = sk.models.build(SMALL).train(training)
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        logits = model(WINDOWS[windows])
    logits.float().mean().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_the_whole_model_runs_in_bfloat16() -> None:
    model = sk.models.build(SMALL).bfloat16()
    logits = model(dead_channels(2).bfloat16())
    assert logits.dtype == torch.bfloat16
    logits.float().square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_float16_trains_with_a_loss_scaler() -> None:
    torch.manual_seed(0)
    model = sk.models.build(SMALL)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler("cpu")
    before = [p.clone() for p in model.parameters()]
    for _ in range(3):
        with torch.autocast("cpu", torch.float16):
            logits = model(torch.randn(2, 19, 512))
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), torch.zeros(2, 512))
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == 65536.0  # nothing overflowed
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_every_parameter_is_used() -> None:
    model = sk.models.build(SMALL)
    for module in model.modules():  # initially 0, which hides the convolutions of the block
        if isinstance(module, nn.BatchNorm1d):
            nn.init.ones_(module.weight)
    model(torch.randn(2, 19, 512)).square().sum().backward()
    unused = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert unused == []


def test_mamba_sees_both_directions_of_time() -> None:
    model = sk.models.build(SMALL).eval()
    u = torch.randn(1, 40, 16, requires_grad=True)
    model.context(u)[0, 20].sum().backward()
    assert u.grad is not None
    assert (u.grad[0].abs().sum(-1) > 0).all()


def test_windows_of_a_batch_do_not_mix() -> None:
    model = sk.models.build(SMALL).eval()
    x = torch.randn(3, 19, 700)
    torch.testing.assert_close(model(x)[1:2], model(x[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_small_detector_learns_to_distinguish_a_rhythm_from_noise() -> None:
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


@pytest.mark.slow
def test_hundreds_of_random_steps_stay_finite() -> None:
    """Random labels, a high learning rate, and difficult windows in turn."""
    torch.manual_seed(0)
    model = sk.models.build(SMALL)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    windows = [window[:1, :, :256] for window in WINDOWS.values()]
    for step in range(300):
        x = windows[step % len(windows)] * torch.rand(())
        with torch.autocast("cpu", torch.bfloat16, enabled=step % 2 == 0):
            logits = model(x)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), torch.rand(1, 256).round())
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        assert torch.isfinite(loss)
        assert torch.isfinite(norm)
        optimizer.step()
