"""The stream of records that a run gives out, and the names that its figures have in every sink."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """How busy a GPU is.

    Attributes:
        utilisation: share of the time in which something ran on it, per cent; None where nobody measures it.
        memory_gb: of its memory that is taken, GB.
    """

    utilisation: float | None
    memory_gb: float


@dataclass(frozen=True, slots=True)
class Started:
    """A run begins, or goes on.

    Attributes:
        name: of the run.
        config: the configuration, as JSON could hold it.
        facts: what else describes the run: windows, parameters, device, versions.
        steps: that the whole run has.
        resumed_step: done before, by the run that this one continues; None for a new one.
    """

    name: str
    config: dict[str, Any]
    facts: Mapping[str, object]
    steps: int
    resumed_step: int | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """The batches since the last such record, as means over them.

    Attributes:
        step: steps of the optimiser done, over the whole run.
        epoch: from 1.
        loss: as it is minimised.
        lr: learning rate of the last of them.
        grad_norm: of all parameters together, before clipping.
        samples_per_s: windows a second, of all devices.
        wait_ms: waited for a batch's data.
        compute_ms: the rest of the time that a batch took.
        skipped: steps left out so far because something was not finite.
        gpu: None without one.
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
    """Whole recordings of ``dev`` were scored.

    Attributes:
        step: after which.
        epoch: from 1.
        metrics: by name, such as ``sensitivity_at_10_fa``, ``auroc``, ``loss``.
        threshold: of the smoothed probability, that the scores ask for.
        seconds: that it took.
        train_loss: of the epoch that it follows, its mean over windows.
        best: whether no epoch before was as good.
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
    """A training state or a detector was written to `path` in so many seconds."""

    step: int
    path: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for people."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The run ends.

    Attributes:
        step: steps of the optimiser done.
        reason: such as ``finished`` or ``stopped by SIGTERM``.
        complete: whether it did all it was to do.
    """

    step: int
    reason: str
    complete: bool = True


Record = Started | Trained | Validated | Saved | Notice | Ended


def scalars(record: Record) -> dict[str, float]:
    """The figures of a record by the names that they have in every sink; none of a record that has no figures."""
    if isinstance(record, Trained):
        figures: dict[str, float] = {
            "train/loss": record.loss,
            "train/lr": record.lr,
            "train/grad_norm": record.grad_norm,
            "train/samples_per_s": record.samples_per_s,
            "train/skipped": record.skipped,
            "time/wait_ms": record.wait_ms,
            "time/compute_ms": record.compute_ms,
        }
        if record.gpu is not None:
            figures["gpu/memory_gb"] = record.gpu.memory_gb
            if record.gpu.utilisation is not None:
                figures["gpu/utilisation"] = record.gpu.utilisation
        return figures
    if isinstance(record, Validated):
        named = {f"val/{name}": float(value) for name, value in record.metrics.items()}
        rest = {"val/threshold": record.threshold, "val/seconds": record.seconds}
        return {**named, **rest, "train/epoch_loss": record.train_loss}
    return {}
