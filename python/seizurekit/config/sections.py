"""The sections and keys of a configuration, one frozen pydantic model per section.

An unknown key is an error. A test checks that every key defined here is read somewhere.
"""

from __future__ import annotations

import threading
import warnings
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Features = Annotated[int, Field(ge=1, le=1024)]


class ChangesOnResume:
    """Marks a key, or a whole section, that may have another value when a run is resumed.

    These keys decide where, how fast and for how long a run is computed, and what it logs; every other key changes
    the result.
    """


LOWER_IS_BETTER = ("loss", "loss_unweighted", "brier", "calibration_error")
"""Validation metrics for which a lower value is better; for all others higher is better."""


def sensitivity_at(fa_per_24h: float) -> str:
    """Name of the metric: sensitivity to seizures at no more than `fa_per_24h` false alarms per 24 h."""
    return f"sensitivity_at_{fa_per_24h:g}_fa"


class Section(BaseModel):
    """Base class of all sections: unknown keys are errors, types are not converted, values are frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CacheConfig(Section):
    """Location of the store, and length and stride of the windows cut from it.

    Attributes:
        dir: folder or URL that holds the splits ``train`` and ``dev``.
        local_dir: for a store at a URL: folder that caches whole shards on a local disk.
        local_dir_gb: maximum size of that cache, in GB.
        window: length of a training window, in seconds.
        stride: distance between the starts of consecutive training windows, in seconds.
    """

    dir: Annotated[str, Field(min_length=1), ChangesOnResume]  # a resumed run compares the fingerprint of the store
    local_dir: Annotated[Annotated[str, Field(min_length=1)] | None, ChangesOnResume] = None
    local_dir_gb: Annotated[Positive, ChangesOnResume] = 100.0
    window: Annotated[float, Field(ge=1, le=600)] = 60.0
    stride: Annotated[float, Field(ge=0.1, le=600)] = 10.0


class LoaderConfig(Section):
    """How batches are loaded.

    Attributes:
        balanced: train on the balanced set; if false, on every window of the split.
        kind: ``threads``: WindowLoader, which reads ahead in threads of the training process; ``torch``: torch's
            DataLoader with worker processes.
        batch_size: windows per batch on one device.
        prefetch: ``threads`` only: number of batches read ahead.
        shuffle: ``threads`` only: ``window``, or ``block`` for an object store that is read without `cache.local_dir`.
        on_error: ``threads`` only: ``raise``, or ``skip`` windows that cannot be read.
        num_workers: ``torch`` only: number of worker processes. With 0 the training process loads the batches itself,
            and the next four keys have no effect.
        pin_memory: ``torch`` only: put batches in pinned memory if there is a GPU.
        persistent_workers: ``torch`` only: keep the workers alive between epochs.
        prefetch_factor: ``torch`` only: batches that each worker reads ahead.
        timeout_s: ``torch`` only: maximum wait for a batch, in seconds. After that the workers are terminated and
            loading continues without them.
    """

    balanced: bool = True
    kind: Annotated[Literal["threads", "torch"], ChangesOnResume] = "threads"
    batch_size: Annotated[int, Field(ge=1, le=4096), ChangesOnResume] = 32
    prefetch: Annotated[int, Field(ge=1, le=256), ChangesOnResume] = 4
    shuffle: Literal["window", "block"] = "window"
    on_error: Annotated[Literal["raise", "skip"], ChangesOnResume] = "raise"
    num_workers: Annotated[int, Field(ge=0, le=256), ChangesOnResume] = 4
    pin_memory: Annotated[bool, ChangesOnResume] = True
    persistent_workers: Annotated[bool, ChangesOnResume] = True
    prefetch_factor: Annotated[int, Field(ge=1, le=64), ChangesOnResume] = 2
    timeout_s: Annotated[float, Field(gt=0, le=threading.TIMEOUT_MAX), ChangesOnResume] = 120.0

    @model_validator(mode="after")
    def _check_keys_of_threads(self) -> LoaderConfig:
        for key, value, expected in (("shuffle", self.shuffle, "window"), ("on_error", self.on_error, "raise")):
            if self.kind == "torch" and value != expected:
                raise ValueError(
                    f"loader.{key} is {value!r}, expected {expected!r} with loader.kind=torch; set loader.kind=threads"
                )
        return self


class ModelConfig(Section):
    """The detector: a U-Net with bidirectional Mamba-2 blocks at its lowest rate.

    Attributes:
        size: ``tiny``, ``small`` or ``base``; docs/models.md lists their parts and number of parameters.
        widths: features at 64, 32 and 16 Hz. Null means the value of `size`, here and for the next four keys.
        blocks: residual blocks per convolutional stage.
        layers: number of bidirectional Mamba-2 blocks.
        headdim: channels per Mamba-2 head; must divide twice the last width.
        d_state: states per Mamba-2 channel.
        d_conv: width of Mamba-2's convolutions. The kernels support 2, 3 and 4; any other value becomes 4.
        dropout: probability of dropping a feature of a residual branch in training.
        require_kernels: refuse to train if an operation would fall back to plain torch. A list of back ends, such as
            ``[triton, mamba-ssm]``, also requires that each of them is used for some operation.
    """

    size: Literal["tiny", "small", "base"] = "tiny"
    widths: Annotated[tuple[Features, Features, Features], Field(strict=False)] | None = None
    blocks: Annotated[int, Field(ge=1, le=16)] | None = None
    layers: Annotated[int, Field(ge=1, le=64)] | None = None
    headdim: Annotated[int, Field(ge=1, le=256)] | None = None
    d_state: Annotated[int, Field(ge=1, le=256)] | None = None
    d_conv: int = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    require_kernels: Annotated[bool | Annotated[tuple[str, ...], Field(strict=False)], ChangesOnResume] = False

    @field_validator("d_conv")
    @classmethod
    def _supported_width(cls, d_conv: int) -> int:
        if d_conv in (2, 3, 4):
            return d_conv
        warnings.warn(
            f"model.d_conv is {d_conv}, expected 2, 3 or 4, the widths that the kernels support; using 4", stacklevel=2
        )
        return 4


class TrainingConfig(Section):
    """Loss and optimizer: AdamW with a linear warm-up and a cosine decay to 0.

    Attributes:
        epochs: number of passes over the training windows.
        max_steps: stop after this many steps; null means after all epochs. The schedule covers the shorter of the two.
        accumulate: batches per optimizer step, whose gradients are accumulated.
        lr: peak learning rate, reached at the end of the warm-up.
        weight_decay: AdamW's; not applied to biases, norms, and Mamba-2's ``A_log``, ``D`` and ``dt_bias``.
        warmup: fraction of the run's windows over which the learning rate rises.
        grad_clip: maximum norm of the gradient over all parameters.
        ema: decay of an exponential moving average of the weights, such as 0.999; the average is then what is
            validated and saved. Null means no average.
        loss: ``bce``, or ``focal`` (Lin et al. 2017).
        focal_gamma: exponent of the focal loss; a higher one gives less weight to samples that are already right.
        pos_weight: weight of a seizure sample; null means sqrt((1 - r) / r) with r the seizure ratio of the training
            windows.
        augment: mirror half of the windows left to right, and vary the gain of the channels.
        precision: of the forward pass: ``float32``, or by autocast ``bfloat16`` or ``float16`` (with a loss scaler).
        compile: compile the model with torch.compile.
        activation_checkpointing: recompute the Mamba-2 blocks in the backward pass to save memory.
        deterministic: use only algorithms that give the same bits in every run; an operation without one is an error.
        stop_after_nonfinite: stop after this many consecutive steps whose loss or gradient is not finite. Fewer are
            skipped and counted.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, …
    """

    epochs: Annotated[Count, ChangesOnResume] = 10
    max_steps: Annotated[Count | None, ChangesOnResume] = None
    accumulate: Annotated[int, Field(ge=1, le=4096), ChangesOnResume] = 1
    lr: Positive = 2e-3
    weight_decay: NotNegative = 0.01
    warmup: Fraction = 0.1
    grad_clip: Positive = 1.0
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    loss: Literal["bce", "focal"] = "bce"
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    pos_weight: Positive | None = None
    augment: bool = True
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    compile: Annotated[bool, ChangesOnResume] = False
    activation_checkpointing: Annotated[bool, ChangesOnResume] = False
    deterministic: Annotated[bool, ChangesOnResume] = False
    stop_after_nonfinite: Annotated[Count, ChangesOnResume] = 10
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$"), ChangesOnResume] = "auto"


class ValidationConfig(Section):
    """Validation on the whole recordings of ``dev`` after every epoch.

    Attributes:
        false_alarm_rates: false alarms per 24 h at which sensitivity is reported, as ``sensitivity_at_10_fa``.
        metric: metric that chooses the best epoch: one of those, or ``auroc``, ``loss``, ``loss_unweighted``,
            ``brier`` or ``calibration_error``.
        patience: stop after this many epochs without a better one; null means never.
        max_recordings: use at most this many recordings, half of them with seizures; null means all.
    """

    false_alarm_rates: Annotated[tuple[Positive, ...], Field(min_length=1, strict=False)] = (10.0, 5.0, 2.5, 1.0)
    metric: str = "sensitivity_at_10_fa"
    patience: Annotated[Count | None, ChangesOnResume] = None
    max_recordings: Count | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all metrics, the values that `metric` can have."""
        return (*map(sensitivity_at, self.false_alarm_rates), "auroc", *LOWER_IS_BETTER)

    @field_validator("false_alarm_rates")
    @classmethod
    def _distinct_names(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(map(sensitivity_at, rates))) < len(rates):
            raise ValueError(f"validation.false_alarm_rates is {list(rates)}, expected each rate once")
        return rates

    @model_validator(mode="after")
    def _known_metric(self) -> ValidationConfig:
        if self.metric not in self.metrics:
            raise ValueError(f"validation.metric is {self.metric!r}, expected one of {', '.join(self.metrics)}")
        return self


class CheckpointsConfig(Section):
    """Training states, which ``--resume`` loads. One is saved after every epoch, and more within an epoch.

    Attributes:
        keep: number of training states to keep; the detector file of the best epoch is kept in addition.
        minutes: time between two of them within an epoch; null means environment variable BGB_MID_EPOCH_MINUTES, or 15.
    """

    keep: Annotated[int, Field(ge=1, le=1000)] = 2
    minutes: Positive | None = None


class TelemetryConfig(Section):
    """What a run logs, and where.

    Attributes:
        every: batches between two training records.
        tensorboard: write TensorBoard files to ``runs/<name>/tb``.
        heartbeat_minutes: maximum time without a line on the console.
    """

    every: Count = 10
    tensorboard: bool = True
    heartbeat_minutes: Annotated[float, Field(gt=0, le=60)] = 5.0


class WandbConfig(Section):
    """Weights & Biases.

    Attributes:
        enabled: log to Weights & Biases.
        project: name of the project.
        entity: user or team that owns the project; null means the API key's default.
        mode: ``online``, or ``offline``: written to the run's folder, to upload later with ``wandb sync``.
    """

    enabled: bool = False
    project: Annotated[str, Field(min_length=1, max_length=128)] = "seizurekit"
    entity: Annotated[str, Field(min_length=1)] | None = None
    mode: Literal["online", "offline"] = "online"


class DetectionConfig(Section):
    """Post-processing that turns the seizure probability of each sample into events.

    Attributes:
        smoothing: length of the moving average over the probability, in seconds; 0 means none.
        threshold: an event starts where the probability rises above this; null means chosen on ``dev`` after training.
        max_fa_per_24h: maximum number of false alarms per 24 h on ``dev`` when the threshold is chosen.
        hysteresis: an event ends where the probability falls below this fraction of the threshold.
        merge_gap: events less than this many seconds apart are merged.
        min_duration: events shorter than this many seconds are dropped, after merging.
    """

    smoothing: Annotated[float, Field(ge=0, le=60)] = 2.0
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_fa_per_24h: NotNegative = 10.0
    hysteresis: Annotated[float, Field(gt=0, le=1)] = 0.5
    merge_gap: NotNegative = 5.0
    min_duration: NotNegative = 4.0


class Config(Section):
    """The complete configuration. `name` also names the folder ``runs/<name>``; `seed` seeds all random numbers."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100), ChangesOnResume]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    cache: CacheConfig
    loader: LoaderConfig = LoaderConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    validation: ValidationConfig = ValidationConfig()
    checkpoints: Annotated[CheckpointsConfig, ChangesOnResume] = CheckpointsConfig()
    telemetry: Annotated[TelemetryConfig, ChangesOnResume] = TelemetryConfig()
    wandb: Annotated[WandbConfig, ChangesOnResume] = WandbConfig()
    detection: DetectionConfig = DetectionConfig()

    @model_validator(mode="after")
    def _stride_within_window(self) -> Config:
        if self.cache.stride > self.cache.window:
            raise ValueError(
                f"cache.stride is {self.cache.stride:g}, expected at most cache.window ({self.cache.window:g})"
            )
        return self
