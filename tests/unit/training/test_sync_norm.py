"""Batch norms over ranks: two processes with parts of a batch compute what one does with the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import seizurekit as sk
from gloo_ranks import on_ranks
from seizurekit.config import ModelConfig
from seizurekit.training.loss import seizure_loss
from seizurekit.training.ranks import Ranks
from seizurekit.training.sync_norm import SynchronisedBatchNorm1d, over_ranks, synchronised

CUTS = {"halves": [3], "uneven": [1], "one rank has one value a channel": [5]}
"""Where a batch of six is cut into the ranks' parts."""
WINDOWS = 5
DETECTOR = ModelConfig(size="tiny", dropout=0.0)


def norm(**options: Any) -> nn.BatchNorm1d:
    torch.manual_seed(1)
    made = nn.BatchNorm1d(4, dtype=torch.float64, **options)
    for tensor in made.state_dict().values():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 2.0)
    return made


def batch(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 3 + 5


OPTIONS: list[dict[str, Any]] = [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}]


def steps(made: nn.BatchNorm1d, cut: slice, trailing: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Two steps on a part of the batch: outputs, gradients, and the state that is left."""
    found = {}
    for step in range(2):
        x = batch((6, 4, *trailing), step)[cut].requires_grad_()
        y = made(x)
        # each sample's own weight, or the sum of a normalised batch would have no gradient
        (y.tanh() * batch((6, 4, *trailing), 10 + step)[cut]).sum().backward()
        found |= {f"y {step}": y.detach().numpy(), f"dx {step}": x.grad.numpy()}
    found |= {f"grad {name}": p.grad.numpy() for name, p in made.named_parameters()}
    found |= {f"state {name}": tensor.numpy() for name, tensor in made.state_dict().items()}
    if made.track_running_stats:
        found["y in evaluation"] = made.eval()(batch((6, 4, *trailing), 0)[cut]).detach().numpy()
    return found


def norms_on_ranks(ranks: Ranks) -> list[dict[str, np.ndarray]]:
    found = []
    for cut in CUTS.values():
        bounds = [0, *cut, 6]
        part = slice(bounds[ranks.rank], bounds[ranks.rank + 1])
        for options in OPTIONS:
            for trailing in ((7,), ()):
                made = synchronised(norm(**options))
                assert isinstance(made, SynchronisedBatchNorm1d)
                found.append(steps(made, part, trailing))
    return found


def test_two_ranks_normalise_as_one_does_with_the_whole_batch(on_both: list[dict[str, Any]]) -> None:
    first, second = (found["norms"] for found in on_both)
    wanted = [steps(norm(**options), slice(6), shape) for _ in CUTS for options in OPTIONS for shape in ((7,), ())]
    assert len(first) == len(wanted)
    for a, b, whole in zip(first, second, wanted, strict=True):
        assert a.keys() == whole.keys()
        for name, value in whole.items():
            if name.startswith("state"):
                np.testing.assert_array_equal(a[name], b[name])
                found = a[name]
            else:
                found = a[name] + b[name] if name.startswith("grad") else np.concatenate([a[name], b[name]])
            np.testing.assert_allclose(found, value, rtol=1e-10, atol=1e-10, err_msg=name)


def test_names_and_tensors_stay_the_same() -> None:
    model = sk.models.build(DETECTOR)
    before, names = list(model.parameters()), list(model.state_dict())
    assert synchronised(model) is model
    assert all(a is b for a, b in zip(before, model.parameters(), strict=True))
    assert list(model.state_dict()) == names
    model.load_state_dict(sk.models.build(DETECTOR).state_dict())
    kinds = {type(module) for module in model.modules() if isinstance(module, nn.BatchNorm1d)}
    assert kinds == {SynchronisedBatchNorm1d}


def test_the_mode_is_kept() -> None:
    assert not synchronised(norm().eval()).training
    assert synchronised(norm()).training


def test_a_process_alone_has_plain_batch_norms() -> None:
    x = batch((6, 4, 7), 0)
    assert torch.equal(synchronised(norm())(x), norm()(x))


def detector() -> nn.Module:
    torch.manual_seed(3)
    model = sk.models.build(DETECTOR).double()
    for module in model.modules():  # a block starts as identity, which hides the convolution before the zero
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return model


def gradients(model: nn.Module, part: slice, world: int) -> dict[str, np.ndarray]:
    """Of the mean loss of all windows, from a rank's part of them, where gradients are averaged over ranks."""
    x_BCT = batch((WINDOWS, 19, 256), 20)[part] - 5
    y_BT = (batch((WINDOWS, 256), 21)[part] > 6).to(torch.uint8)
    loss_B = seizure_loss(model(x_BCT), y_BT, 2.0, 2.0, per_window=True)
    (loss_B.sum() * world / WINDOWS).backward()
    return {name.removeprefix("module."): p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}


def detector_on_ranks(ranks: Ranks) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    model = synchronised(detector())
    wrapped = DistributedDataParallel(model, broadcast_buffers=False)
    found = gradients(wrapped, slice(0, 2) if ranks.first else slice(2, WINDOWS), ranks.world)
    return found, {name: buffer.numpy() for name, buffer in model.named_buffers()}


def test_a_detector_on_two_ranks_has_the_gradients_and_statistics_of_one_process(
    on_both: list[dict[str, Any]],
) -> None:
    one = detector()
    wanted = gradients(one, slice(WINDOWS), 1)
    assert len(wanted) == len(list(one.parameters()))
    for found, buffers in (each["detector"] for each in on_both):
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-8, atol=1e-10, err_msg=name)
        for name, buffer in one.named_buffers():
            np.testing.assert_allclose(buffers[name], buffer.numpy(), rtol=1e-10, atol=1e-10, err_msg=name)


def half_precision_and_too_few(ranks: Ranks) -> tuple[str, str]:
    made = synchronised(nn.BatchNorm1d(4))
    with torch.autocast("cpu", torch.bfloat16):
        y = made(torch.randn(3, 4, 5, dtype=torch.bfloat16))
    try:
        made(torch.randn(1 - ranks.rank, 4))
    except ValueError as error:
        return str(y.dtype), str(error)
    return str(y.dtype), "nothing"


def test_half_precision_stays_so_and_a_single_value_is_refused_on_every_rank(on_both: list[dict[str, Any]]) -> None:
    for dtype, said in (found["half precision and too few"] for found in on_both):
        assert dtype == "torch.bfloat16"
        assert said == "batch norm: found 1 value a channel on all ranks, wanted 2 or more"


def sum_checked(ranks: Ranks) -> bool:
    values = torch.arange(3.0, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        assert over_ranks(values).tolist() == [0.0, 2.0, 4.0]
    (over_ranks(values) * (ranks.rank + 1)).sum().backward()
    return values.grad is not None and values.grad.tolist() == [3.0] * 3


def test_a_sum_over_ranks_gathers_the_gradients_of_all(on_both: list[dict[str, Any]]) -> None:
    assert [found["sum"] for found in on_both] == [True, True]


def everything(ranks: Ranks) -> dict[str, Any]:
    return {
        "norms": norms_on_ranks(ranks),
        "detector": detector_on_ranks(ranks),
        "half precision and too few": half_precision_and_too_few(ranks),
        "sum": sum_checked(ranks),
    }


@pytest.fixture(scope="module")
def on_both() -> list[dict[str, Any]]:
    """What two ranks compute, all in one go, since it takes seconds to start them."""
    return on_ranks(2, everything)
