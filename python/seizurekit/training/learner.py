"""A detector under training, and everything that an optimizer step changes.

Shapes: B windows, C channels, T samples.
"""

from __future__ import annotations

import inspect
from contextlib import nullcontext
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
from seizurekit.models.device import autocast
from seizurekit.training.augment import augment
from seizurekit.training.loss import seizure_loss
from seizurekit.training.optimizer import make_optimizer
from seizurekit.training.ranks import Ranks
from seizurekit.training.run.state import TrainingState
from seizurekit.training.seeding import seed_batch
from seizurekit.training.step import LOSS, NORM, OUTCOME_FIELDS, STOP, PendingOutcome
from seizurekit.training.sync_norm import synchronize_batch_norms

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")
_SYNC_BUFFERS = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")  # the new name since torch 2.13, and the old one
    if name in inspect.signature(DistributedDataParallel.__init__).parameters
)


class Learner:
    """A detector with its optimizer and, if configured, its loss scaler and averaged weights.

    Attributes:
        model: the network itself, without the wrappers that it is trained in.
        device: device of the network.
    """

    def __init__(self, model: Detector, config: Config, pos_weight: float, ranks: Ranks) -> None:
        """Prepares the training of a model.

        Args:
            model: the network with fresh parameters, on its device.
            config: configuration of the run.
            pos_weight: weight of a seizure sample in the loss.
            ranks: the ranks that train the model together; batch norms use the statistics of the global batch.
        """
        self._config, self._pos_weight, self._ranks = config, pos_weight, ranks
        self.device = next(model.parameters()).device
        self.model: nn.Module = synchronize_batch_norms(model) if ranks.world > 1 else model
        model.checkpoint_activations = config.training.activation_checkpointing
        self._optimizer = make_optimizer(self.model, config.training)
        self._fused = bool(self._optimizer.defaults["fused"])
        self._scaler = torch.amp.GradScaler(self.device.type) if config.training.precision == "float16" else None
        self._average = _make_average(self.model, config.training.ema)
        self._wrapped_model = self._wrap()
        self._sums = self._new_sums()
        self._statistics = [buffer.clone() for buffer in self.model.buffers()]

    def _wrap(self) -> nn.Module:
        """The model in the wrappers that it is trained in."""
        wrapped = self.model
        if self._ranks.world > 1:
            ids = [self.device.index] if self.device.type == "cuda" else None
            # The buffers of synchronized batch norms are equal on all ranks without being sent.
            options: dict[str, Any] = {_SYNC_BUFFERS: False, "gradient_as_bucket_view": True}
            wrapped = DistributedDataParallel(wrapped, ids, **options)
        if self._config.training.compile:
            wrapped.compile()
        return wrapped

    def accumulate(
        self,
        x_BCT: Tensor,
        y_BT: Tensor,
        indices: npt.NDArray[np.int64],
        *,
        epoch: int,
        before: int,
        step_windows: int,
        is_last: bool,
    ) -> None:
        """Adds the gradient of a batch to the gradient of its step.

        Args:
            x_BCT: windows float32 [B, 19, T].
            y_BT: 1 where there is a seizure, uint8 [B, T].
            indices: indices of the windows, int64 [B].
            epoch: epoch, from 0; with `before` it determines all random numbers.
            before: windows of the epoch before this batch, on all ranks together.
            step_windows: windows of the whole step, on all ranks together.
            is_last: whether this is the last batch of the step; only then are gradients exchanged between ranks.
        """
        training = self._config.training
        seed_batch(self._config.seed, epoch, before, self._ranks.rank)
        x_BCT, y_BT = x_BCT.to(self.device), y_BT.to(self.device)
        if training.augment:
            x_BCT = augment(x_BCT, indices, self._config.seed, epoch)
        exchange = is_last or self._ranks.world == 1
        with nullcontext() if exchange else self._wrapped_model.no_sync():  # type: ignore[operator]  # DDP's method
            with autocast(self.device, training.precision):
                logits_BT = self._wrapped_model(x_BCT)
            gamma = training.focal_gamma if training.loss == "focal" else None
            loss_B = seizure_loss(logits_BT, y_BT, self._pos_weight, gamma, per_window=True)
            loss = loss_B.sum() * (self._ranks.world / step_windows)  # DDP takes the mean over ranks
            (self._scaler.scale(loss) if self._scaler else loss).backward()
        with torch.no_grad():
            seizure_BT = y_BT > 0
            found = (seizure_BT & (logits_BT > 0)).sum()
            counts = (loss_B.sum(), loss_B.new_full((), len(x_BCT)), seizure_BT.sum(), found)
            self._sums[:STOP] += torch.stack([count.to(self._sums.dtype) for count in counts])

    def update(self, lr: float, stop: bool = False) -> PendingOutcome:
        """Takes the optimizer step, or skips it if its loss or gradient is not finite.

        Args:
            lr: learning rate.
            stop: whether this rank has received a signal to stop; the outcome passes it to all ranks.
        """
        sums, self._sums = self._sums, self._new_sums()
        sums[STOP] = float(stop)
        if self._ranks.world > 1:
            distributed.all_reduce(sums)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        if self._scaler:
            self._scaler.unscale_(self._optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._config.training.grad_clip)
        is_finite = torch.isfinite(norm) & torch.isfinite(sums[LOSS])
        self._step_optimizer(is_finite)
        self._restore_statistics(is_finite)
        self._optimizer.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update_parameters(self.model)
        sums[NORM] = norm
        return PendingOutcome(sums)

    def _step_optimizer(self, is_finite: Tensor) -> None:
        if self._scaler:
            self._scaler.step(self._optimizer)  # the scaler checks the gradient itself
            self._scaler.update()
        elif self._fused:
            # The fused kernel skips the step if this is set, so the host does not wait for the device.
            self._optimizer.found_inf = (~is_finite).float()  # type: ignore[attr-defined]  # as GradScaler sets it
            self._optimizer.step()
        elif is_finite.item():
            self._optimizer.step()

    def _restore_statistics(self, is_finite: Tensor) -> None:
        """Restores the running statistics of batch norms if the forward pass was not finite."""
        for buffer, before in zip(self.model.buffers(), self._statistics, strict=True):
            before.copy_(torch.where(is_finite, buffer, before))
            buffer.copy_(before)

    def _new_sums(self) -> Tensor:
        """Zeros for the fields of an `Outcome`, [OUTCOME_FIELDS], float64 where the device has it."""
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.zeros(OUTCOME_FIELDS, dtype=dtype, device=self.device)

    @property
    def detector(self) -> nn.Module:
        """The network that is validated and saved: the averaged weights if configured, else the weights."""
        return self.model if self._average is None else self._average.module

    def tensors(self) -> dict[str, Tensor]:
        """All tensors that the next step depends on, by name."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        if self._average is not None:
            tensors |= {f"average.{name}": tensor for name, tensor in self._average.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            state = self._optimizer.state.get(parameter, {})
            tensors |= {f"{moment}.{name}": state[moment] for moment in _MOMENTS if moment in state}
        return tensors

    def scaler_state(self) -> dict[str, Any]:
        """State of the loss scaler as plain numbers; empty without one."""
        return self._scaler.state_dict() if self._scaler else {}

    def load(self, state: TrainingState) -> None:
        """Restores all tensors from a training state.

        Raises:
            CheckpointError: the state is of a different model.
        """
        parts: dict[str, dict[str, Tensor]] = {}
        for name, tensor in state.tensors.items():
            part, _, name_in_part = name.partition(".")
            parts.setdefault(part, {})[name_in_part] = tensor
        try:
            self.model.load_state_dict(parts["model"])
            if self._average is not None:
                self._average.load_state_dict(parts["average"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"{state.path}: weights of a different model: {' '.join(str(error).split())}"
            ) from None
        self._statistics = [buffer.clone() for buffer in self.model.buffers()]
        for name, parameter in self.model.named_parameters():
            for moment in _MOMENTS:
                if name in parts.get(moment, {}):
                    device = self.device if moment != "step" or self._fused else torch.device("cpu")
                    self._optimizer.state[parameter][moment] = parts[moment][name].to(device)
        if self._scaler:
            self._scaler.load_state_dict(state.header.scaler)


def _make_average(model: nn.Module, decay: float | None) -> AveragedModel | None:
    """An exponential moving average of the weights and buffers; None without a decay."""
    if decay is None:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
