"""Batch norms over ranks: two ranks with parts of a batch compute the same as one process with the whole batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import seizurekit as sk
from rank_processes import run_on_ranks
from seizurekit.config import ModelConfig
from seizurekit.training.loss import seizure_loss
from seizurekit.training.ranks import Ranks
from seizurekit.training.sync_norm import SynchronizedBatchNorm1d, sum_over_ranks, synchronize_batch_norms
from tiny import MODEL

CUTS = {"halves": [3], "uneven": [1], "one rank has one value per channel": [5]}
"""Where a batch of six windows is cut into the parts of the ranks."""
WINDOWS = 5
DETECTOR = ModelConfig.model_validate(MODEL | {"dropout": 0.0})


def norm(**options: Any) -> nn.BatchNorm1d:
    torch.manual_seed(1)
    module = nn.BatchNorm1d(4, dtype=torch.float64, **options)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 2.0)
    return module


def batch(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 3 + 5


OPTIONS: list[dict[str, Any]] = [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}]


def gradient(tensor: Tensor) -> np.ndarray:
    assert tensor.grad is not None
    return tensor.grad.numpy()


def take_steps(module: nn.BatchNorm1d, part: slice, trailing: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Outputs, gradients and final state of two steps on a part of the batch."""
    results: dict[str, np.ndarray] = {}
    for step in range(2):
        x = batch((6, 4, *trailing), step)[part].requires_grad_()
        y = module(x)
        # different weights, since the sum of a normalized batch has no gradient
        (y.tanh() * batch((6, 4, *trailing), 10 + step)[part]).sum().backward()
        results |= {f"y {step}": y.detach().numpy(), f"dx {step}": gradient(x)}
    results |= {f"grad {name}": gradient(p) for name, p in module.named_parameters()}
    results |= {f"state {name}": tensor.numpy() for name, tensor in module.state_dict().items()}
    if module.track_running_stats:
        results["y in evaluation"] = module.eval()(batch((6, 4, *trailing), 0)[part]).detach().numpy()
    return results


def run_norms(ranks: Ranks) -> list[dict[str, np.ndarray]]:
    results = []
    for cut in CUTS.values():
        bounds = [0, *cut, 6]
        part = slice(bounds[ranks.rank], bounds[ranks.rank + 1])
        for options in OPTIONS:
            for trailing in ((7,), ()):
                module = synchronize_batch_norms(norm(**options))
                assert isinstance(module, SynchronizedBatchNorm1d)
                results.append(take_steps(module, part, trailing))
    return results


def test_two_ranks_normalize_like_one_process_with_the_whole_batch(on_both: list[dict[str, Any]]) -> None:
    first, second = (results["norms"] for results in on_both)
    whole_batches = [
        take_steps(norm(**options), slice(6), shape) for _ in CUTS for options in OPTIONS for shape in ((7,), ())
    ]
    assert len(first) == len(whole_batches)
    for a, b, whole in zip(first, second, whole_batches, strict=True):
        assert a.keys() == whole.keys()
        for name, value in whole.items():
            if name.startswith("state"):
                np.testing.assert_array_equal(a[name], b[name])
                found = a[name]
            else:
                found = a[name] + b[name] if name.startswith("grad") else np.concatenate([a[name], b[name]])
            np.testing.assert_allclose(found, value, rtol=1e-10, atol=1e-10, err_msg=name)


def test_names_and_tensors_do_not_change() -> None:
    model = sk.models.build(DETECTOR)
    before, names = list(model.parameters()), list(model.state_dict())
    assert synchronize_batch_norms(model) is model
    assert all(a is b for a, b in zip(before, model.parameters(), strict=True))
    assert list(model.state_dict()) == names
    model.load_state_dict(sk.models.build(DETECTOR).state_dict())
    kinds = {type(module) for module in model.modules() if isinstance(module, nn.BatchNorm1d)}
    assert kinds == {SynchronizedBatchNorm1d}


def test_the_mode_does_not_change() -> None:
    assert not synchronize_batch_norms(norm().eval()).training
    assert synchronize_batch_norms(norm()).training


def test_one_process_alone_has_plain_batch_norms() -> None:
    x = batch((6, 4, 7), 0)
    assert torch.equal(synchronize_batch_norms(norm())(x), norm()(x))


def detector() -> nn.Module:
    torch.manual_seed(3)
    model = sk.models.build(DETECTOR).double()
    for module in model.modules():  # a new block is the identity, which hides the convolution before its last norm
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return model


def gradients(model: nn.Module, part: slice, world: int) -> dict[str, np.ndarray]:
    """Gradients of the mean loss of all windows, from the part of a rank, if gradients are averaged over ranks."""
    x_BCT = batch((WINDOWS, 19, 256), 20)[part] - 5
    y_BT = (batch((WINDOWS, 256), 21)[part] > 6).to(torch.uint8)
    loss_B = seizure_loss(model(x_BCT), y_BT, 2.0, 2.0, per_window=True)
    (loss_B.sum() * world / WINDOWS).backward()
    return {name.removeprefix("module."): gradient(p) for name, p in model.named_parameters() if p.grad is not None}


def run_detector(ranks: Ranks) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    model = synchronize_batch_norms(detector())
    wrapped = DistributedDataParallel(model, broadcast_buffers=False)
    found = gradients(wrapped, slice(0, 2) if ranks.is_rank_0 else slice(2, WINDOWS), ranks.world)
    return found, {name: buffer.numpy() for name, buffer in model.named_buffers()}


def test_a_detector_on_two_ranks_has_the_gradients_and_statistics_of_one_process(
    on_both: list[dict[str, Any]],
) -> None:
    one = detector()
    expected = gradients(one, slice(WINDOWS), 1)
    assert len(expected) == len(list(one.parameters()))
    for found, buffers in (results["detector"] for results in on_both):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-8, atol=1e-10, err_msg=name)
        for name, buffer in one.named_buffers():
            np.testing.assert_allclose(buffers[name], buffer.numpy(), rtol=1e-10, atol=1e-10, err_msg=name)


def run_half_precision_and_one_value(ranks: Ranks) -> tuple[str, str]:
    """The dtype of a bfloat16 batch's output, and the error message for a single value per channel."""
    module = synchronize_batch_norms(nn.BatchNorm1d(4))
    with torch.autocast("cpu", torch.bfloat16):
        y = module(torch.randn(3, 4, 5, dtype=torch.bfloat16))
    try:
        module(torch.randn(1 - ranks.rank, 4))
    except ValueError as error:
        return str(y.dtype), str(error)
    return str(y.dtype), "no error"


def test_half_precision_is_kept_and_a_single_value_is_an_error_on_every_rank(on_both: list[dict[str, Any]]) -> None:
    for dtype, message in (results["half precision and one value"] for results in on_both):
        assert dtype == "torch.bfloat16"
        assert message == "batch norm: 1 value per channel on all ranks, expected 2 or more"


def check_sum(ranks: Ranks) -> bool:
    values = torch.arange(3.0, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        assert sum_over_ranks(values).tolist() == [0.0, 2.0, 4.0]
    (sum_over_ranks(values) * (ranks.rank + 1)).sum().backward()
    return values.grad is not None and values.grad.tolist() == [3.0] * 3


def test_the_gradient_of_a_sum_over_ranks_is_the_sum_of_their_gradients(on_both: list[dict[str, Any]]) -> None:
    assert [results["sum"] for results in on_both] == [True, True]


def compute_all(ranks: Ranks) -> dict[str, Any]:
    return {
        "norms": run_norms(ranks),
        "detector": run_detector(ranks),
        "half precision and one value": run_half_precision_and_one_value(ranks),
        "sum": check_sum(ranks),
    }


@pytest.fixture(scope="module")
def on_both() -> list[dict[str, Any]]:
    """The results of two ranks, for all tests of this file."""
    return run_on_ranks(2, compute_all)
