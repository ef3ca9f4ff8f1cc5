"""How far a training is: everything but tensors that a resumed one must know."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from seizurekit.config.sections import LOWER_IS_BETTER


@dataclass(frozen=True)
class Best:
    """The best epoch so far, from 1, and what it scored on ``dev``."""

    epoch: int
    threshold: float
    metrics: dict[str, float]


@dataclass
class EpochSums:
    """Sums over an epoch's steps whose loss and gradient were finite.

    Attributes:
        loss: sum over windows of their mean loss.
        windows: number of them.
        seizure: samples that are seizure.
        found: of these, the ones whose probability was above one half.
    """

    loss: float = 0.0
    windows: float = 0.0
    seizure: float = 0.0
    found: float = 0.0

    @property
    def mean_loss(self) -> float:
        """Of a window; NaN before the first."""
        return self.loss / self.windows if self.windows else float("nan")

    @property
    def all_negative(self) -> bool:
        """Whether, with a thousand seizure samples or more seen, not one in a thousand was found."""
        return self.seizure >= 1000 and self.found < 1e-3 * self.seizure


@dataclass
class Progress:
    """Where a training stands.

    Attributes:
        step: steps of the optimiser, from 0.
        epoch: epochs that are over, validated or not.
        done: windows of the next epoch that were trained on, on all ranks together.
        validated: epochs that were validated.
        best: the best of them.
        since_best: epochs validated since.
        skipped: steps that were left out because loss or gradient was not finite.
        skipped_in_a_row: of these the last ones.
        sums: of the epoch that is begun, or that is over and not yet validated.
        seconds: that the training took, all its runs together.
    """

    step: int = 0
    epoch: int = 0
    done: int = 0
    validated: int = 0
    best: Best | None = None
    since_best: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    sums: EpochSums = field(default_factory=EpochSums)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Progress:
        """The progress that `to_dict` told of; raises what a dict without its keys raises."""
        best = values["best"]
        return cls(**{**values, "best": Best(**best) if best else None, "sums": EpochSums(**values["sums"])})


def rank(metrics: dict[str, float], metric: str) -> tuple[float, float]:
    """What makes one epoch better than another: the metric, and of equal ones the AUROC; NaN is the worst."""
    value = -metrics[metric] if metric in LOWER_IS_BETTER else metrics[metric]
    auroc = metrics["auroc"]
    return -math.inf if math.isnan(value) else value, -math.inf if math.isnan(auroc) else auroc
