"""The progress of a run, which a training state saves in addition to tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from seizurekit.config.sections import LOWER_IS_BETTER
from seizurekit.training.step import Outcome, StepResult


@dataclass(frozen=True)
class EpochScores:
    """The scores of an epoch.

    Attributes:
        epoch: the epoch, from 1.
        threshold: the threshold that was chosen for it on ``dev``.
        metrics: its scores on ``dev``.
    """

    epoch: int
    threshold: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class EpochSums:
    """Sums over the steps of an epoch, without skipped steps.

    Attributes:
        loss: sum over windows of their mean loss.
        windows: number of windows.
        seizure: number of seizure samples.
        found: number of seizure samples with a probability above one half.
    """

    loss: float = 0.0
    windows: float = 0.0
    seizure: float = 0.0
    found: float = 0.0

    def plus(self, outcome: Outcome) -> EpochSums:
        """The sums with one more step."""
        return EpochSums(
            self.loss + outcome.loss,
            self.windows + outcome.windows,
            self.seizure + outcome.seizure,
            self.found + outcome.found,
        )

    @property
    def mean_loss(self) -> float:
        """Mean loss per window; NaN before the first step."""
        return self.loss / self.windows if self.windows else math.nan

    @property
    def all_negative(self) -> bool:
        """Whether there were a thousand seizure samples or more, and less than one in a thousand was found."""
        return self.seizure >= 1000 and self.found < 1e-3 * self.seizure


@dataclass
class Progress:
    """The progress of a run.

    Attributes:
        step: finished optimizer steps.
        epoch: finished epochs, validated or not.
        windows_done: windows of the current epoch that were used already, on all ranks together; ``done`` in a file.
        validated: validated epochs.
        best: the best of them.
        since_best: epochs validated since the best one.
        skipped: steps that were skipped because loss or gradient was not finite.
        skipped_in_a_row: how many of the last steps were skipped.
        sums: sums over the current epoch, or over a finished epoch until it is validated.
        seconds: duration of the run so far, over all its processes since the start.
    """

    step: int = 0
    epoch: int = 0
    windows_done: Annotated[int, Field(alias="done")] = 0
    validated: int = 0
    best: EpochScores | None = None
    since_best: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    sums: EpochSums = field(default_factory=EpochSums)
    seconds: float = 0.0

    def count(self, step: StepResult) -> None:
        """Counts a step."""
        self.step, self.windows_done = step.step, step.windows_done
        if step.outcome.is_finite:
            self.skipped_in_a_row = 0
            self.sums = self.sums.plus(step.outcome)
        else:
            self.skipped += 1
            self.skipped_in_a_row += 1

    def finish_epoch(self) -> None:
        """Counts a finished epoch."""
        self.epoch, self.windows_done = self.epoch + 1, 0

    def count_validation(self, scores: EpochScores, metric: str) -> bool:
        """Counts the validation of the finished epoch and starts new sums; returns whether the epoch is the best."""
        is_best = self.best is None or is_better(scores.metrics, self.best.metrics, metric)
        self.since_best = 0 if is_best else self.since_best + 1
        if is_best:
            self.best = scores
        self.validated, self.sums = self.epoch, EpochSums()
        return is_best


def is_better(metrics: dict[str, float], others: dict[str, float], metric: str) -> bool:
    """Whether scores are better than others: by the metric, and by the AUROC if that is equal; NaN is the worst."""
    return _sort_key(metrics, metric) > _sort_key(others, metric)


def _sort_key(metrics: dict[str, float], metric: str) -> tuple[float, float]:
    value = -metrics[metric] if metric in LOWER_IS_BETTER else metrics[metric]
    auroc = metrics["auroc"]
    return -math.inf if math.isnan(value) else value, -math.inf if math.isnan(auroc) else auroc
