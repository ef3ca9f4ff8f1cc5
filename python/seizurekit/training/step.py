"""The outcome of an optimizer step, and how it gets from the device to the host."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LOSS, WINDOWS, SEIZURE, FOUND, STOP, NORM = range(6)
"""Positions of the fields of an `Outcome` in its tensor on the device."""
OUTCOME_FIELDS = 6


@dataclass(frozen=True)
class Outcome:
    """The outcome of a step, over all ranks.

    Attributes:
        loss: sum over windows of their mean loss.
        windows: number of windows.
        seizure: number of seizure samples.
        found: number of seizure samples with a probability above one half.
        stop: whether any rank has received a signal to stop.
        norm: norm of the gradient before clipping.
    """

    loss: float
    windows: float
    seizure: float
    found: float
    stop: bool
    norm: float

    @property
    def is_finite(self) -> bool:
        """Whether loss and gradient are finite; if not, the step was skipped."""
        return math.isfinite(self.loss) and math.isfinite(self.norm)

    @property
    def mean_loss(self) -> float:
        """Mean loss per window; NaN without windows."""
        return self.loss / self.windows if self.windows else math.nan


class PendingOutcome:
    """The outcome of a step that a GPU may still compute: it is copied to the host without waiting for it."""

    def __init__(self, values: Tensor) -> None:
        """Starts the copy.

        Args:
            values: the fields of an `Outcome`, [OUTCOME_FIELDS].
        """
        self._arrived: torch.cuda.Event | None = None
        if values.is_cuda:
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()
        else:
            self._values = values.cpu()

    @property
    def is_done(self) -> bool:
        """Whether the device has finished the step."""
        return self._arrived is None or self._arrived.query()

    def read(self) -> Outcome:
        """The outcome; waits for the end of the step."""
        if self._arrived is not None:
            self._arrived.synchronize()
        values = self._values.tolist()
        return Outcome(
            loss=values[LOSS],
            windows=values[WINDOWS],
            seizure=values[SEIZURE],
            found=values[FOUND],
            stop=values[STOP] > 0,
            norm=values[NORM],
        )


@dataclass(frozen=True)
class StepResult:
    """A step that is finished.

    Attributes:
        step: number of the step in the run, from 1.
        epoch: epoch, from 1.
        windows_done: windows of the epoch that were used up to and including this step, on all ranks together.
        lr: learning rate.
        indices: indices of this rank's windows.
        outcome: loss, gradient norm and counts.
        waited_s: seconds the device was idle because no batch was ready, since the previous result.
    """

    step: int
    epoch: int
    windows_done: int
    lr: float
    indices: list[int]
    outcome: Outcome
    waited_s: float
