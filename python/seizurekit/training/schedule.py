"""The schedule of a run: how many steps it takes, and the learning rate of each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seizurekit.config import TrainingConfig


def learning_rate(fraction: float, config: TrainingConfig) -> float:
    """Learning rate at a point of the run: linear warm-up, then half a cosine down to 0.

    Args:
        fraction: finished fraction of the run, 0 to 1; for a step that at its middle, so that the first rate is not 0.
        config: the maximum rate, and the fraction of the warm-up.
    """
    fraction = min(max(fraction, 0.0), 1.0)
    if fraction < config.warmup:
        return config.lr * fraction / config.warmup
    if config.warmup >= 1.0:
        return config.lr
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * (fraction - config.warmup) / (1.0 - config.warmup)))


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
        """Optimizer steps of the whole run."""
        steps = self.training.epochs * self.epoch_steps
        return min(steps, self.training.max_steps or steps)

    def learning_rate(self, epoch: int, before: int, windows: int) -> float:
        """Learning rate of a step.

        Args:
            epoch: epoch, from 0.
            before: windows of the epoch that precede the step, on all ranks together.
            windows: windows of the step, on all ranks together.
        """
        total = self.training.epochs * self.epoch_windows
        if self.training.max_steps is not None:
            total = min(total, self.training.max_steps * self.step_windows)
        return learning_rate((epoch * self.epoch_windows + before + windows / 2) / total, self.training)
