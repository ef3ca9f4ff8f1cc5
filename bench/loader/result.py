"""What `bench.loader` measures of one contender."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def is_iterated(name: str) -> bool:
    """Whether a contender is a loader that is iterated over and reads ahead."""
    return "Loader" in name or "WebDataset" in name


@dataclass(frozen=True)
class Result:
    """What one contender took for a batch: wall-clock and CPU seconds, and what a consumer waited for it."""

    name: str
    seconds: tuple[float, ...]
    cpu_s: float
    rss_mb: float
    waited_share: float | None
    gpu_percent: float | None

    @property
    def mean(self) -> float:
        """Seconds a batch over all of them: what a loader that reads ahead can keep up."""
        return float(np.mean(self.seconds))

    @property
    def typical(self) -> float:
        """Seconds a batch: the mean of what reads ahead, whose batches are ready before, else the median."""
        return self.mean if is_iterated(self.name) else self.at(0.5)

    def at(self, share: float) -> float:
        """The batch time that this share of the batches keeps to, s."""
        return float(np.quantile(self.seconds, share))
