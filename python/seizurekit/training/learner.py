"""A detector and all that changes with it in a step of the optimiser.

Shapes: B windows, C channels, T samples; N is the number of windows in a step on all ranks together.
"""

from __future__ import annotations

import inspect
import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from seizurekit.config import Config
from seizurekit.errors import CheckpointError
from seizurekit.models.detector import Detector
from seizurekit.training.augment import augment
from seizurekit.training.loss import seizure_loss
from seizurekit.training.optimizer import make_optimizer
from seizurekit.training.precision import autocast
from seizurekit.training.ranks import Ranks
from seizurekit.training.run.state import TrainingState
from seizurekit.training.sync_norm import synchronised

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")
_SYNC_BUFFERS = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")  # its name since torch 2.13, and before
    if name in inspect.signature(DistributedDataParallel.__init__).parameters
)


@dataclass(frozen=True)
class Outcome:
    """What a step came to, over all ranks, once it has been read.

    Attributes:
        loss: sum over the windows of their mean loss.
        windows: number of them.
        seizure: their samples that are seizure.
        found: of these, the ones with a probability above one half.
        norm: of the gradient, before it was clipped.
        stop: whether any rank was told to stop.
    """

    loss: float
    windows: float
    seizure: float
    found: float
    stop: bool
    norm: float

    @property
    def finite(self) -> bool:
        """Whether the step was taken, and not left out."""
        return math.isfinite(self.loss) and math.isfinite(self.norm)

    @property
    def mean_loss(self) -> float:
        """Of a window."""
        return self.loss / self.windows if self.windows else math.nan


class Pending:
    """A step's outcome on its way from the device, so that the device need not be waited for at every step."""

    def __init__(self, values: Tensor) -> None:
        self._arrived: torch.cuda.Event | None = None
        if values.is_cuda:
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()
        else:
            self._values = values.cpu()

    @property
    def done(self) -> bool:
        """Whether the device has ended the step."""
        return self._arrived is None or self._arrived.query()

    def read(self) -> Outcome:
        """Waits for the step's end."""
        if self._arrived is not None:
            self._arrived.synchronize()
        loss, windows, seizure, found, stop, norm = self._values.tolist()
        return Outcome(loss, windows, seizure, found, stop > 0, norm)


class Learner:
    """A detector, its optimiser, and where they are wanted its loss scaler and its averaged weights.

    Args:
        model: with fresh parameters, on its device.
        config: of the run.
        pos_weight: weight of a seizure sample.
        ranks: that train it together; its batch norms are then those of the global batch.

    Attributes:
        model: the network itself, whatever wraps it while it trains.
        device: where it is.
    """

    def __init__(self, model: Detector, config: Config, pos_weight: float, ranks: Ranks) -> None:
        self._config, self._pos_weight, self._ranks = config, pos_weight, ranks
        self.device = next(model.parameters()).device
        self.model: nn.Module = synchronised(model) if ranks.world > 1 else model
        model.checkpoint_activations = config.training.activation_checkpointing
        self._optimizer = make_optimizer(self.model, config.training)
        self._fused = bool(self._optimizer.defaults["fused"])
        self._scaler = _loss_scaler(self.device, config.training.precision == "float16")
        self._average = _average_of(self.model, config.training.ema)
        self._run = self._wrapped()
        self._sums = self._no_sums()
        self._statistics = [buffer.clone() for buffer in self.model.buffers()]

    def _wrapped(self) -> nn.Module:
        run = self.model
        if self._ranks.world > 1:
            ids = [self.device.index] if self.device.type == "cuda" else None
            # The batch norms' buffers are the same on all ranks as it is.
            options: dict[str, Any] = {_SYNC_BUFFERS: False, "gradient_as_bucket_view": True}
            run = DistributedDataParallel(run, ids, **options)
        if self._config.training.compile:
            run.compile()
        return run

    def add(
        self,
        x_BCT: Tensor,
        y_BT: Tensor,
        numbers: npt.NDArray[np.int64],
        place: tuple[int, int],
        windows: int,
        last: bool,
    ) -> None:
        """Adds the gradient of a batch to that of its step.

        Args:
            x_BCT: windows float32 [B, 19, T].
            y_BT: 1 where there is a seizure, uint8 [B, T].
            numbers: of the windows, int64 [B].
            place: epoch, and windows of it that come before this batch on all ranks: they fix what is random.
            windows: N of the step.
            last: whether it is the last batch of its step; only then do ranks add up their gradients.
        """
        training = self._config.training
        seed_batch(self._config.seed, *place, self._ranks.rank)
        x_BCT, y_BT = x_BCT.to(self.device), y_BT.to(self.device)
        if training.augment:
            x_BCT = augment(x_BCT, numbers, self._config.seed, place[0])
        waits = nullcontext() if last or self._ranks.world == 1 else self._run.no_sync()  # type: ignore[operator]
        with waits:
            with autocast(self.device, training.precision):
                logits_BT = self._run(x_BCT)
            gamma = training.focal_gamma if training.loss == "focal" else None
            loss_B = seizure_loss(logits_BT, y_BT, self._pos_weight, gamma, per_window=True)
            loss = loss_B.sum() * (self._ranks.world / windows)  # DDP takes the mean over ranks
            (self._scaler.scale(loss) if self._scaler else loss).backward()
        with torch.no_grad():
            seizure_BT = y_BT > 0
            found = (seizure_BT & (logits_BT > 0)).sum()
            told = (loss_B.sum(), loss_B.new_full((), len(x_BCT)), seizure_BT.sum(), found)
            self._sums[:4] += torch.stack([value.to(self._sums.dtype) for value in told])

    def update(self, lr: float, stop: bool = False) -> Pending:
        """Takes the step, unless its loss or gradient is not finite.

        Args:
            lr: learning rate.
            stop: whether this rank was told to stop, for all to hear.
        """
        sums, self._sums = self._sums, self._no_sums()
        sums[4] = float(stop)
        if self._ranks.world > 1:
            distributed.all_reduce(sums)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        if self._scaler:
            self._scaler.unscale_(self._optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._config.training.grad_clip)
        finite = torch.isfinite(norm) & torch.isfinite(sums[0])
        self._take_step(finite)
        self._keep_statistics(finite)
        self._optimizer.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update_parameters(self.model)
        sums[5] = norm
        return Pending(sums)

    def _take_step(self, finite: Tensor) -> None:
        if self._scaler:
            self._scaler.step(self._optimizer)  # by its own look at the gradient
            self._scaler.update()
        elif self._fused:
            # The kernel itself leaves out a step with this set, so that the device need not be waited for.
            self._optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
            self._optimizer.step()
        elif finite.item():
            self._optimizer.step()

    def _keep_statistics(self, finite: Tensor) -> None:
        """Running statistics of batch norms, which the forward pass has spoilt where something was not finite."""
        for buffer, before in zip(self.model.buffers(), self._statistics, strict=True):
            before.copy_(torch.where(finite, buffer, before))
            buffer.copy_(before)

    def _no_sums(self) -> Tensor:
        exact = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.zeros(6, dtype=exact, device=self.device)

    @property
    def detector(self) -> nn.Module:
        """What is validated and saved: the averaged weights where there are any, else the weights."""
        return self.model if self._average is None else self._average.module

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that the next step depends on, by name."""
        found = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        if self._average is not None:
            found |= {f"average.{name}": tensor for name, tensor in self._average.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            state = self._optimizer.state.get(parameter, {})
            found |= {f"{moment}.{name}": state[moment] for moment in _MOMENTS if moment in state}
        return found

    def scaler_state(self) -> dict[str, Any]:
        """Of the loss scaler, plain numbers; empty where there is none."""
        return self._scaler.state_dict() if self._scaler else {}

    def load(self, state: TrainingState) -> None:
        """Goes on from a state.

        Raises:
            CheckpointError: its tensors are of another model.
        """
        parts: dict[str, dict[str, Tensor]] = {}
        for name, tensor in state.tensors.items():
            part, _, own = name.partition(".")
            parts.setdefault(part, {})[own] = tensor
        try:
            self.model.load_state_dict(parts["model"])
            if self._average is not None:
                self._average.load_state_dict(parts["average"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{state.path}: weights of another model: {' '.join(str(error).split())}") from None
        self._statistics = [buffer.clone() for buffer in self.model.buffers()]
        for name, parameter in self.model.named_parameters():
            for moment in _MOMENTS:
                if name in parts.get(moment, {}):
                    on = self.device if moment != "step" or self._fused else torch.device("cpu")
                    self._optimizer.state[parameter][moment] = parts[moment][name].to(on)
        if self._scaler:
            self._scaler.load_state_dict(state.header["scaler"])


def seed_batch(seed: int, epoch: int, before: int, rank: int) -> None:
    """Seeds torch for one batch of one rank, so that nothing random depends on what came before it."""
    words = np.random.SeedSequence((seed, epoch, before, rank)).generate_state(1, np.uint64)
    torch.manual_seed(int(words[0]) >> 1)


def _average_of(model: nn.Module, decay: float | None) -> AveragedModel | None:
    if decay is None:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def _loss_scaler(device: torch.device, wanted: bool) -> torch.amp.GradScaler | None:
    return torch.amp.GradScaler(device.type) if wanted else None
