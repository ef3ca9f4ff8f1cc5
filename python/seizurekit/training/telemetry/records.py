"""The records that a run emits, and the names of their metrics in every sink."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """Load of a GPU.

    Attributes:
        utilization: percentage of the time during which a kernel ran; None if it cannot be measured.
        memory_gb: memory in use, by all programs, in GB.
    """

    utilization: float | None
    memory_gb: float


@dataclass(frozen=True, slots=True)
class Started:
    """A run starts or resumes.

    Attributes:
        name: name of the run.
        config: configuration, of JSON types.
        facts: other facts about the run: device, processes, parameters, and the back end of each operation.
        steps: number of steps of the whole run.
        resumed_step: last step of the run that this one resumes; None for a new run.
    """

    name: str
    config: dict[str, Any]
    facts: Mapping[str, object]
    steps: int
    resumed_step: int | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """Means over the batches since the last record of this kind.

    Attributes:
        step: optimizer steps since the start of the run.
        epoch: epoch, starting at 1.
        loss: training loss per window.
        lr: learning rate of the last step.
        grad_norm: norm of the gradient of all parameters, before clipping.
        samples_per_s: windows per second on all devices.
        wait_ms: time per batch spent waiting for data.
        compute_ms: remaining time per batch.
        skipped: number of steps skipped so far because a value was not finite.
        gpu: load of the GPU; None without one.
    """

    step: int
    epoch: int
    loss: float
    lr: float
    grad_norm: float
    samples_per_s: float
    wait_ms: float
    compute_ms: float
    skipped: int = 0
    gpu: GpuLoad | None = None


@dataclass(frozen=True, slots=True)
class Validated:
    """A validation on whole recordings of ``dev``.

    Attributes:
        step: optimizer steps before it.
        epoch: epoch, starting at 1.
        metrics: metrics by name, such as ``sensitivity_at_10_fa``, ``auroc``, ``loss``.
        threshold: threshold of the smoothed probability at which the metrics were computed.
        seconds: duration of the validation.
        train_loss: mean training loss per window in the epoch.
        best: whether the epoch is better than all earlier ones.
    """

    step: int
    epoch: int
    metrics: dict[str, float]
    threshold: float
    seconds: float
    train_loss: float
    best: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """A training state was written to `path`, which took `seconds`."""

    step: int
    path: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Notice:
    """A line of text for the user."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The run ends.

    Attributes:
        step: optimizer steps since the start of the run.
        reason: reason of the end, such as ``finished`` or ``stopped by SIGTERM``.
        complete: whether the run did all its work.
    """

    step: int
    reason: str
    complete: bool = True


Record = Started | Trained | Validated | Saved | Notice | Ended


def scalars(record: Record) -> dict[str, float]:
    """Metrics of a record by their names in every sink; empty for a record without metrics."""
    if isinstance(record, Trained):
        metrics: dict[str, float] = {
            "train/loss": record.loss,
            "train/lr": record.lr,
            "train/grad_norm": record.grad_norm,
            "train/samples_per_s": record.samples_per_s,
            "train/skipped": record.skipped,
            "time/wait_ms": record.wait_ms,
            "time/compute_ms": record.compute_ms,
        }
        if record.gpu is not None:
            metrics["gpu/memory_gb"] = record.gpu.memory_gb
            if record.gpu.utilization is not None:
                metrics["gpu/utilisation"] = record.gpu.utilization
        return metrics
    if isinstance(record, Validated):
        named = {f"val/{name}": float(value) for name, value in record.metrics.items()}
        rest = {"val/threshold": record.threshold, "val/seconds": record.seconds}
        return {**named, **rest, "train/epoch_loss": record.train_loss}
    return {}
