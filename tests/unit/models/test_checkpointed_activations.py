"""A detector that recomputes its Mamba-2 blocks in the backward pass: the same gradients with less memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import seizurekit as sk
from seizurekit.config import ModelConfig
from seizurekit.models.detector import Detector

SMALL = ModelConfig(widths=(8, 8, 16), layers=3, headdim=4, d_state=8, dropout=0.3)


def train_step(checkpointed: bool, autocast: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
    """Gradients and buffers after one step, and bytes kept for its backward pass."""
    torch.manual_seed(0)
    model = sk.models.build(SMALL)
    model.checkpoint_activations = checkpointed
    x_BCT = torch.randn(2, 19, 2048)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            logits = model(x_BCT)
        loss = nn.functional.softplus(logits.float()).mean()
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return gradients, dict(model.named_buffers()), sum(kept.values())


@pytest.mark.parametrize("autocast", [False, True])
def test_gradients_and_running_statistics_are_the_same_also_with_dropout(autocast: bool) -> None:
    plain, checkpointed = train_step(False, autocast), train_step(True, autocast)
    for expected, tensors in zip(plain[:2], checkpointed[:2], strict=True):
        assert expected.keys() == tensors.keys()
        for name, value in expected.items():
            torch.testing.assert_close(tensors[name], value, rtol=0.0, atol=0.0, msg=name)


def test_less_is_kept_for_the_backward_pass() -> None:
    assert train_step(True)[2] < 0.6 * train_step(False)[2]


def test_a_detector_in_evaluation_mode_recomputes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Detector.checkpoint_activations
    model = sk.models.build(SMALL).eval()
    x_BCT = torch.randn(1, 19, 512)
    expected = model(x_BCT)
    model.checkpoint_activations = True
    monkeypatch.setattr("seizurekit.models.detector.checkpoint", None)
    assert torch.equal(model(x_BCT), expected)
