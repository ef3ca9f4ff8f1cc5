"""The checks before a run. They write nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from seizurekit.config import Config
from seizurekit.models import build
from seizurekit.models.detector import Detector
from seizurekit.models.device import pick_device
from seizurekit.settings import smoke_test
from seizurekit.training.data import TrainingData, open_data
from seizurekit.training.ranks import Ranks
from seizurekit.training.run.folder import RunFolder, check_run_folder
from seizurekit.training.telemetry.wandb_check import WandbPlan, check_wandb

SMOKE_STEPS, SMOKE_RECORDINGS = 20, 4


@dataclass(frozen=True)
class CheckedTraining:
    """A run that passed the checks.

    Attributes:
        config: the configuration; a short one for a smoke test.
        folder: folder for all output files.
        device: device of this process.
        data: the data.
        model: the new detector, on the CPU.
        wandb: how the run uses W&B; None on other ranks than rank 0.
    """

    config: Config
    folder: RunFolder
    device: torch.device
    data: TrainingData
    model: Detector
    wandb: WandbPlan | None


def check_before_training(
    config: Config,
    run_dir: Path | None = None,
    *,
    device: str | None = None,
    ranks: Ranks | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> CheckedTraining:
    """Checks everything that a run needs, except kernels and a training state to resume from.

    Args:
        config: the configuration.
        run_dir: folder for all output files; None for ``runs/<name>``.
        device: device of this process; None for ``training.device``.
        ranks: the processes that train together; None for this process alone.
        resume: a run in the folder will be resumed.
        overwrite: a run in the folder will be replaced.

    Raises:
        CacheError: the store is missing, was built with another chain, or has no seizures in ``train`` or ``dev``.
        CorpusError: a patient is in both splits.
        ConfigError: the device is missing, the folder contains another run, the sizes of the model do not fit, or W&B
            would reject the run.
    """
    ranks = ranks or Ranks()
    config = shorten_for_smoke_test(config)
    folder = RunFolder(run_dir or Path("runs") / config.name)
    picked = pick_device(device or config.training.device, "training.device")
    ranks.on_rank_0(lambda: check_run_folder(folder, resume=resume, overwrite=overwrite))
    data = open_data(config)
    model = build(config, data.train.seizure_ratio)
    wandb = ranks.on_rank_0(lambda: check_wandb(config.wandb))
    return CheckedTraining(config, folder, picked, data, model, wandb)


def shorten_for_smoke_test(config: Config) -> Config:
    """The configuration itself; with BGB_SMOKE_TEST one of few steps and recordings of ``dev``, with its own name."""
    if not smoke_test():
        return config
    training, validation = config.training, config.validation
    steps = min(training.max_steps or SMOKE_STEPS, SMOKE_STEPS)
    recordings = min(validation.max_recordings or SMOKE_RECORDINGS, SMOKE_RECORDINGS)
    return config.model_copy(
        update={
            "name": f"{config.name}-smoke",
            "training": training.model_copy(update={"max_steps": steps}),
            "validation": validation.model_copy(update={"max_recordings": recordings}),
        }
    )
