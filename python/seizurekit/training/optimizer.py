"""The optimiser, AdamW (Loshchilov and Hutter 2019), and its learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from seizurekit.config import TrainingConfig


def make_optimizer(model: torch.nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW, fused if torch has a fused kernel for the device.

    Matrices and convolutions have weight decay; norms, biases and Mamba-2's ``A_log``, ``D`` and ``dt_bias`` have none.
    """
    decayed: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for parameter in model.parameters():
        has_no_decay = parameter.ndim <= 1 or getattr(parameter, "_no_weight_decay", False)
        (others if has_no_decay else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    try:
        return torch.optim.AdamW(groups, lr=config.lr, fused=True)
    except RuntimeError:  # this device, or this release of torch, has no fused kernel
        return torch.optim.AdamW(groups, lr=config.lr)


def learning_rate(share: float, config: TrainingConfig) -> float:
    """Learning rate at a point of the run: linear warm-up, then half a cosine down to 0.

    Args:
        share: finished share of the run, 0 to 1; for a step the share at its middle, so that the first rate is not 0.
        config: the highest rate, and the share of the warm-up.
    """
    share = min(max(share, 0.0), 1.0)
    if share < config.warmup:
        return config.lr * share / config.warmup
    if config.warmup >= 1.0:
        return config.lr
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * (share - config.warmup) / (1.0 - config.warmup)))


@dataclass(frozen=True)
class Schedule:
    """Number of steps of a run, and the learning rate of each.

    Attributes:
        training: section ``training`` of the configuration.
        epoch_windows: windows of an epoch.
        epoch_steps: steps of an epoch.
        step_windows: windows of a full step, on all ranks together.
    """

    training: TrainingConfig
    epoch_windows: int
    epoch_steps: int
    step_windows: int

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        steps = self.training.epochs * self.epoch_steps
        return min(steps, self.training.max_steps or steps)

    def learning_rate(self, epoch: int, before: int, windows: int) -> float:
        """Learning rate of a step of `windows` windows that has `before` windows of its epoch, from 0, before it."""
        total = self.training.epochs * self.epoch_windows
        if self.training.max_steps is not None:
            total = min(total, self.training.max_steps * self.step_windows)
        return learning_rate((epoch * self.epoch_windows + before + windows / 2) / total, self.training)
