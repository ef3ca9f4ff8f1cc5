"""Training a detector: one function to read from top to bottom, and after it those that it calls, in their order."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seizurekit.cache.store import Cache, open_cache
from seizurekit.config import Config
from seizurekit.errors import CacheError, ConfigError, NotFiniteError
from seizurekit.loading.balanced import BalancedSeizureDataset
from seizurekit.loading.loader import WindowLoader
from seizurekit.loading.torch_loader import TorchLoader
from seizurekit.models import build
from seizurekit.recordings.corpus import check_patients
from seizurekit.signal.chain import Chain
from seizurekit.training.augment import augment
from seizurekit.training.checkpoint import Checkpoint, save_checkpoint
from seizurekit.training.device import pick_device
from seizurekit.training.log import TrainingLog
from seizurekit.training.loss import positive_weight, seizure_loss
from seizurekit.training.recordings import cached_recordings, curve_of

BEST = "best.safetensors"
METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class TrainingResult:
    """What a training left.

    Attributes:
        checkpoint: file of the best epoch's detector.
        log: ``metrics.jsonl``, every step and every epoch.
        epoch: the best, from 1.
        threshold: chosen for it on ``dev``.
        metrics: its scores on ``dev``.
        seconds: that the training took.
    """

    checkpoint: Path
    log: Path
    epoch: int
    threshold: float
    metrics: dict[str, float]
    seconds: float


def train(config: Config, run_dir: Path | None = None) -> TrainingResult:
    """Trains a detector on the split ``train`` of a store and keeps the epoch that is best on ``dev``.

    Best is the highest sensitivity at ``detection.max_fa_per_24h``, by events in whole recordings; equal ones are told
    apart by the AUROC of the samples.

    Args:
        config: what to train, on what.
        run_dir: folder for the checkpoint and the log; None for ``runs/<name>``. Files of an earlier run are replaced.

    Raises:
        CacheError: no store, one of another chain, or one without seizures in ``train`` or ``dev``.
        CorpusError: a patient is in both splits.
        ConfigError: the device is not there.
        NotFiniteError: the loss or the gradient is not a finite number; names the windows of the batch.
    """
    began = time.monotonic()
    seed_everything(config.seed)
    device = pick_device(config.training.device, "training.device")
    run_dir = run_dir or Path("runs") / config.name

    windows, dev = open_data(config)
    weight = positive_weight(windows.seizure_ratio)
    model = build(config, windows.seizure_ratio).to(device)
    optimizer = make_optimizer(model, config)
    loader = make_loader(windows, config, device)
    steps = config.training.epochs * len(loader)

    best: Checkpoint | None = None
    step = 0
    with TrainingLog(run_dir / METRICS, steps) as log:
        manifest = windows.windows.cache.manifest
        log.say(f"{config.cache.dir}: train: {manifest.hours:.1f} h, {manifest.seizures} seizures")
        log.say(
            f"{config.name}: {len(windows)} windows of {config.cache.window:g} s, {windows.seizure_ratio:.1%} of them "
            f"seizure; {sum(p.numel() for p in model.parameters())} parameters on {device}; {steps} steps"
        )
        for epoch in range(1, config.training.epochs + 1):
            losses = []
            loader.set_epoch(epoch)
            for x_BCT, y_BT in loader:
                lr = learning_rate(step, steps, config)
                for group in optimizer.param_groups:
                    group["lr"] = lr
                loss = seizure_loss(model(augment(x_BCT.to(device))), y_BT.to(device), weight)
                optimizer.zero_grad()
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.training.grad_clip)
                check_finite(loss, norm, step + 1, loader.current.tolist())
                optimizer.step()
                step += 1
                losses.append(loss.item())
                log.step(step, losses[-1], lr)
            checkpoint = scored_on_dev(model, dev, config, windows.seizure_ratio, epoch)
            better = best is None or rank(checkpoint) > rank(best)
            if better:
                save_checkpoint(run_dir / BEST, checkpoint)
                best = checkpoint
            report_epoch(log, checkpoint, step, float(np.mean(losses)), better)
    if best is None:
        raise ConfigError("training.epochs: found 0, wanted 1 or more")
    seconds = time.monotonic() - began
    return TrainingResult(run_dir / BEST, run_dir / METRICS, best.epoch, best.threshold, best.metrics, seconds)


def seed_everything(seed: int) -> None:
    """Fixes Python's, NumPy's and torch's generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def open_data(config: Config) -> tuple[BalancedSeizureDataset, Cache]:
    """The balanced windows of ``train`` and the store of ``dev``, after everything that must not wait for an epoch."""
    cache, chain = config.cache, Chain()
    dev = open_cache(cache.dir, split="dev", chain=chain, local_dir=cache.local_dir, local_dir_gb=cache.local_dir_gb)
    train_patients = open_cache(cache.dir, split="train", chain=chain).recordings["patient"]
    check_patients({"train": train_patients, "dev": dev.recordings["patient"]})
    if len(dev.events["start"]) == 0:
        raise CacheError(f"{cache.dir}: split dev: found no seizure, wanted some to choose the best epoch by")
    windows = BalancedSeizureDataset(
        cache.dir,
        window=cache.window,
        stride=cache.stride,
        chain=chain,
        local_dir=cache.local_dir,
        local_dir_gb=cache.local_dir_gb,
        seed=config.seed,
    )
    return windows, dev


def make_optimizer(model: torch.nn.Module, config: Config) -> torch.optim.AdamW:
    """AdamW that decays the weights of convolutions and leaves biases and norms alone."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": config.training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.training.lr)


def make_loader(windows: BalancedSeizureDataset, config: Config, device: torch.device) -> WindowLoader | TorchLoader:
    """Batches (x float32 [B, 19, T], y uint8 [B, T]) of the balanced set."""
    loader = config.loader
    if loader.kind == "torch":
        return TorchLoader(
            windows,
            loader.batch_size,
            config.seed,
            num_workers=loader.num_workers,
            pin_memory=loader.pin_memory and device.type == "cuda",
            persistent_workers=loader.persistent_workers,
            prefetch_factor=loader.prefetch_factor,
            timeout_s=loader.timeout_s,
        )
    return WindowLoader(
        windows.windows,
        loader.batch_size,
        config.seed,
        prefetch=loader.prefetch,
        shuffle=loader.shuffle,
        on_error=loader.on_error,
        device=device if device.type == "cuda" else None,
    )


def learning_rate(step: int, steps: int, config: Config) -> float:
    """Of the step with that number, from 0: rises in a line over the warm-up, then falls as a half cosine towards 0."""
    warmup = round(config.training.warmup * steps)
    if step < warmup:
        return config.training.lr * (step + 1) / (warmup + 1)
    return config.training.lr * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def check_finite(loss: Tensor, norm: Tensor, step: int, numbers: list[int]) -> None:
    """Raises a NotFiniteError with the batch's window numbers unless loss and gradient norm are finite."""
    for name, value in (("loss", loss.item()), ("norm of the gradient", norm.item())):
        if not math.isfinite(value):
            raise NotFiniteError(f"step {step}: {name}: found {value}, wanted a finite number; windows {numbers}")


def scored_on_dev(model: torch.nn.Module, dev: Cache, config: Config, seizure_ratio: float, epoch: int) -> Checkpoint:
    """The detector as it is, with its scores on ``dev`` and the threshold that they ask for."""
    curve = curve_of(model, cached_recordings(dev), config)
    bound = config.detection.max_fa_per_24h
    threshold = config.detection.threshold or curve.threshold_at(bound)
    metrics = {f"sensitivity_at_{fa:g}_fa": curve.sensitivity_at(fa) for fa in sorted({bound, 1.0, 10.0, 24.0})}
    return Checkpoint(model, config, seizure_ratio, threshold, epoch, metrics | {"auroc": curve.auroc})


def rank(checkpoint: Checkpoint) -> tuple[float, float]:
    """What makes one epoch better than another."""
    bound = checkpoint.config.detection.max_fa_per_24h
    return checkpoint.metrics[f"sensitivity_at_{bound:g}_fa"], checkpoint.metrics["auroc"]


def report_epoch(log: TrainingLog, checkpoint: Checkpoint, step: int, loss: float, better: bool) -> None:
    """Says and records how an epoch went."""
    epoch, metrics = checkpoint.epoch, checkpoint.metrics
    log.record(kind="epoch", epoch=epoch, step=step, loss=loss, threshold=checkpoint.threshold, **metrics)
    bound = checkpoint.config.detection.max_fa_per_24h
    log.say(
        f"epoch {epoch} of {checkpoint.config.training.epochs}: loss {loss:.4f}; dev: sensitivity "
        f"{metrics[f'sensitivity_at_{bound:g}_fa']:.1%} at {bound:g} false alarms in 24 h, AUROC {metrics['auroc']:.3f}"
        f"{'; the best so far' if better else ''}"
    )
