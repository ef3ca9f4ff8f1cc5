"""What a configuration may say: one frozen model a section.

A key that is not here is refused; a key that is here is read by something.
"""

from __future__ import annotations

import threading
import warnings
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Features = Annotated[int, Field(ge=1, le=1024)]

LOWER_IS_BETTER = ("loss", "loss_unweighted", "brier", "calibration_error")
"""Metrics of the validation that fall as a detector gets better; the others rise."""


def sensitivity_at(fa_per_24h: float) -> str:
    """Name of the metric: the share of seizures found with at most so many false alarms per 24 h."""
    return f"sensitivity_at_{fa_per_24h:g}_fa"


class Section(BaseModel):
    """What all sections share: unknown keys are errors, types are not guessed, nothing changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CacheConfig(Section):
    """Where the store is, and how windows are cut from it.

    Attributes:
        dir: folder or URL of the splits ``train`` and ``dev``.
        local_dir: of a store at a URL: keep whole shards in this folder, so that they are read locally the next time.
        local_dir_gb: most that is kept there, GB.
        window: length of a training window in seconds.
        stride: seconds from one training window's start to the next one's.
    """

    dir: Annotated[str, Field(min_length=1)]
    local_dir: Annotated[str, Field(min_length=1)] | None = None
    local_dir_gb: Positive = 100.0
    window: Annotated[float, Field(ge=1, le=600)] = 60.0
    stride: Annotated[float, Field(ge=0.1, le=600)] = 10.0


class LoaderConfig(Section):
    """How batches are made.

    Attributes:
        balanced: draw the balanced set; else train on every window of the split.
        kind: ``threads``: WindowLoader, which reads ahead in threads of the training process; ``torch``: torch's
            DataLoader and its worker processes.
        batch_size: windows a batch of one device.
        prefetch: of ``threads``: batches that are read ahead.
        shuffle: of ``threads``: ``window``, or ``block`` for an object store that is read without `cache.local_dir`.
        on_error: of ``threads``: ``raise``, or ``skip`` windows that cannot be read.
        num_workers: of ``torch``: worker processes; 0 for the training process itself, and then the next four change
            nothing.
        pin_memory: of ``torch``: hand out pinned memory where there is a GPU.
        persistent_workers: of ``torch``: keep the workers from one epoch to the next.
        prefetch_factor: of ``torch``: batches that each worker reads ahead.
        timeout_s: of ``torch``: seconds after which a batch that does not come has the workers ended, and loading go on
            without them.
    """

    balanced: bool = True
    kind: Literal["threads", "torch"] = "threads"
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    prefetch: Annotated[int, Field(ge=1, le=256)] = 4
    shuffle: Literal["window", "block"] = "window"
    on_error: Literal["raise", "skip"] = "raise"
    num_workers: Annotated[int, Field(ge=0, le=256)] = 4
    pin_memory: bool = True
    persistent_workers: bool = True
    prefetch_factor: Annotated[int, Field(ge=1, le=64)] = 2
    timeout_s: Annotated[float, Field(gt=0, le=threading.TIMEOUT_MAX)] = 120.0

    @model_validator(mode="after")
    def _only_threads_can(self) -> LoaderConfig:
        for key, found, wanted in (("shuffle", self.shuffle, "window"), ("on_error", self.on_error, "raise")):
            if self.kind == "torch" and found != wanted:
                raise ValueError(
                    f"loader.{key}: found {found} with loader.kind torch, wanted {wanted}, or kind threads"
                )
        return self


class ModelConfig(Section):
    """The detector, a U-Net with Mamba-2 in its middle.

    Attributes:
        size: ``tiny``, ``small`` or ``base``; docs/models.md has their parameters and speed.
        widths: features at 64, 32 and 16 Hz; null takes the size's, as with the next four.
        blocks: residual blocks a stage of convolutions.
        layers: bidirectional Mamba-2 blocks.
        headdim: channels a head of Mamba-2; twice the last width must be a multiple of it.
        d_state: states a channel of Mamba-2.
        d_conv: taps of Mamba-2's convolutions; there are kernels for 2, 3 and 4, anything else becomes 4.
        dropout: probability that a feature of a residual branch is dropped in training.
        require_kernels: do not train where an operation would fall back to plain torch, or where one of these back
            ends, such as ``[triton, mamba-ssm]``, serves none.
    """

    size: Literal["tiny", "small", "base"] = "tiny"
    widths: Annotated[tuple[Features, Features, Features], Field(strict=False)] | None = None
    blocks: Annotated[int, Field(ge=1, le=16)] | None = None
    layers: Annotated[int, Field(ge=1, le=64)] | None = None
    headdim: Annotated[int, Field(ge=1, le=256)] | None = None
    d_state: Annotated[int, Field(ge=1, le=256)] | None = None
    d_conv: int = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    require_kernels: bool | Annotated[tuple[str, ...], Field(strict=False)] = False

    @field_validator("d_conv")
    @classmethod
    def _of_a_kernel(cls, d_conv: int) -> int:
        if d_conv in (2, 3, 4):
            return d_conv
        warnings.warn(
            f"model.d_conv: found {d_conv}, wanted 2, 3 or 4, which there are kernels for; 4 is taken", stacklevel=2
        )
        return 4


class TrainingConfig(Section):
    """The loss, and the optimiser: AdamW with a linear warm-up and a cosine decay to 0.

    Attributes:
        epochs: passes over the set of windows.
        max_steps: end after so many steps; null for all of the epochs. The schedule is that of the shorter run.
        accumulate: batches whose gradients make one step.
        lr: highest learning rate, reached at the end of the warm-up.
        weight_decay: AdamW's, of weights and not of biases, norms or Mamba-2's ``A_log``, ``D`` and ``dt_bias``.
        warmup: share of all steps that the warm-up takes.
        grad_clip: largest norm of the gradient of all parameters together.
        ema: keep a moving average of the weights, which is validated and saved; the share of itself that it keeps in a
            step, such as 0.999; null for none.
        loss: ``bce``, or ``focal`` (Lin et al. 2017).
        focal_gamma: of the focal loss: how much less a sample counts that is already right.
        pos_weight: weight of a seizure sample; null takes sqrt((1 - r) / r), r the exact ratio of the training windows.
        augment: mirror half of the windows, and vary the size of channels.
        precision: of the forward pass: ``float32``, or by autocast ``bfloat16`` or, with a loss scaler, ``float16``.
        compile: compile the model with torch.compile.
        activation_checkpointing: compute the Mamba-2 blocks anew in the backward pass, which saves their memory.
        deterministic: only algorithms that give the same bits in every run; an error where there is none.
        stop_after_nonfinite: steps in a row with a loss or a gradient that is not finite, after which the run ends. A
            single one is left out and counted.
        device: ``auto`` (an accelerator where there is one), ``cpu``, ``cuda``, ``cuda:1``, …
    """

    epochs: Count = 10
    max_steps: Count | None = None
    accumulate: Annotated[int, Field(ge=1, le=4096)] = 1
    lr: Positive = 2e-3
    weight_decay: NotNegative = 0.01
    warmup: Share = 0.1
    grad_clip: Positive = 1.0
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    loss: Literal["bce", "focal"] = "bce"
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    pos_weight: Positive | None = None
    augment: bool = True
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    compile: bool = False
    activation_checkpointing: bool = False
    deterministic: bool = False
    stop_after_nonfinite: Count = 10
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$")] = "auto"


class ValidationConfig(Section):
    """Scores on whole recordings of ``dev``, after every epoch.

    Attributes:
        false_alarm_rates: false alarms per 24 h at which the sensitivity is told, as ``sensitivity_at_10_fa``.
        metric: that tells which epoch is best: one of those, or ``auroc``, ``loss``, ``loss_unweighted``, ``brier`` or
            ``calibration_error``.
        patience: end after so many epochs without a better one; null to go through all.
        max_recordings: use no more than so many recordings, half of them with seizures; null for all.
    """

    false_alarm_rates: Annotated[tuple[Positive, ...], Field(min_length=1, strict=False)] = (10.0, 5.0, 2.5, 1.0)
    metric: str = "sensitivity_at_10_fa"
    patience: Count | None = None
    max_recordings: Count | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every name that `metric` may be."""
        return (*map(sensitivity_at, self.false_alarm_rates), "auroc", *LOWER_IS_BETTER)

    @field_validator("false_alarm_rates")
    @classmethod
    def _one_name_each(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(map(sensitivity_at, rates))) < len(rates):
            raise ValueError(f"validation.false_alarm_rates: found {list(rates)}, wanted each rate once")
        return rates

    @model_validator(mode="after")
    def _known_metric(self) -> ValidationConfig:
        if self.metric not in self.metrics:
            raise ValueError(
                f"validation.metric: found {self.metric!r}, which is never computed; wanted one of "
                f"{', '.join(self.metrics)}"
            )
        return self


class CheckpointsConfig(Section):
    """Training states, from which ``--resume`` goes on: at every epoch's end, and between.

    Attributes:
        keep: the newest so many are kept; the best detector is kept besides.
        minutes: between two in an epoch; null takes the environment variable BGB_MID_EPOCH_MINUTES, else 15.
    """

    keep: Annotated[int, Field(ge=1, le=1000)] = 2
    minutes: Positive | None = None


class TelemetryConfig(Section):
    """What a run tells, and where.

    Attributes:
        every: batches from one record of the training to the next.
        tensorboard: write ``runs/<name>/tb``.
        heartbeat_minutes: a line at least so often, whatever happens.
    """

    every: Count = 10
    tensorboard: bool = True
    heartbeat_minutes: Annotated[float, Field(gt=0, le=60)] = 5.0


class WandbConfig(Section):
    """Weights & Biases.

    Attributes:
        enabled: send records there.
        project: they go to.
        entity: user or team that the project is of; null for the key's own default.
        mode: ``online``, or ``offline``: written to the run's folder, from which ``wandb sync`` sends them.
    """

    enabled: bool = False
    project: Annotated[str, Field(min_length=1, max_length=128)] = "seizurekit"
    entity: Annotated[str, Field(min_length=1)] | None = None
    mode: Literal["online", "offline"] = "online"


class DetectionConfig(Section):
    """From the probability of a seizure at every sample to events.

    Attributes:
        smoothing: seconds over which the probability is averaged first; 0 for not at all.
        threshold: an event's probability rises above this; null has it chosen on ``dev`` when training ends.
        max_fa_per_24h: false alarms per 24 h that the chosen threshold may make on ``dev``.
        hysteresis: an event lasts while its probability is above this share of the threshold.
        merge_gap: events less than this many seconds apart are one.
        min_duration: shorter events, in seconds, are dropped, after merging.
    """

    smoothing: Annotated[float, Field(ge=0, le=60)] = 2.0
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_fa_per_24h: NotNegative = 10.0
    hysteresis: Annotated[float, Field(gt=0, le=1)] = 0.5
    merge_gap: NotNegative = 5.0
    min_duration: NotNegative = 4.0


class Config(Section):
    """A whole configuration; `name` is also that of the folder ``runs/<name>``, `seed` fixes every random choice."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    cache: CacheConfig
    loader: LoaderConfig = LoaderConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    validation: ValidationConfig = ValidationConfig()
    checkpoints: CheckpointsConfig = CheckpointsConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    wandb: WandbConfig = WandbConfig()
    detection: DetectionConfig = DetectionConfig()

    @model_validator(mode="after")
    def _stride_within_window(self) -> Config:
        if self.cache.stride > self.cache.window:
            raise ValueError(
                f"cache.stride: found {self.cache.stride:g}, wanted at most cache.window {self.cache.window:g}"
            )
        return self
