"""Times of one contender of `bench.loader`."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np

from bench.report import Measurement


def reads_ahead(name: str) -> bool:
    """Whether a contender is a loader that prepares its next batches while the consumer works."""
    return "Loader" in name or "WebDataset" in name


@dataclass(frozen=True)
class Result:
    """Cost of a batch for one contender.

    Attributes:
        name: of the contender.
        seconds: wall-clock time of each batch.
        cpu_s: CPU time per batch, of this process and its children.
        rss_mb: memory of this process and its children afterwards.
        waiting: share of the time in which the consumer waited for a batch; None without a consumer.
        gpu_percent: GPU utilisation meanwhile; None without a GPU.
    """

    name: str
    seconds: tuple[float, ...]
    cpu_s: float
    rss_mb: float
    waiting: float | None
    gpu_percent: float | None

    @property
    def mean(self) -> float:
        """Mean seconds per batch: the rate that a loader which reads ahead can sustain."""
        return statistics.fmean(self.seconds)

    @property
    def typical(self) -> float:
        """Seconds per batch: the mean for loaders that read ahead, most of whose batches are ready; else the median."""
        return self.mean if reads_ahead(self.name) else statistics.median(self.seconds)

    def quantile(self, share: float) -> float:
        """Seconds that this share of the batches does not exceed."""
        return float(np.quantile(self.seconds, share))

    def measurements(self, case: str, batch_size: int, batch_mb: float) -> tuple[Measurement, ...]:
        """The rows of the report."""
        values = {
            ("p95 time", "ms"): self.quantile(0.95) * 1e3,
            ("max time", "ms"): self.quantile(1.0) * 1e3,
            ("mean time", "ms"): self.mean * 1e3,
            ("rate", "windows/s"): batch_size / self.mean,
            ("rate", "MB/s"): batch_mb / self.mean,
            ("CPU time", "ms"): self.cpu_s * 1e3,
            ("RSS", "MB"): self.rss_mb,
            ("GPU utilisation", "%"): self.gpu_percent,
            ("waiting", "%"): None if self.waiting is None else self.waiting * 100,
        }
        return (
            Measurement(case, self.name, "ms", tuple(1e3 * value for value in self.seconds)),
            *(
                Measurement(case, self.name, unit, (value,), metric)
                for (metric, unit), value in values.items()
                if value is not None
            ),
        )
