"""The training of a detector: `train` prepares a run from top to bottom, `TrainingLoop` runs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from seizurekit.config import Config
from seizurekit.errors import NotFiniteError, SeizurekitError, TrainingStoppedError
from seizurekit.evaluation.detector_file import Origin
from seizurekit.training.checks import check_before_training
from seizurekit.training.data import TrainingData, make_loader
from seizurekit.training.epoch import EpochRunner
from seizurekit.training.kernel_check import check_required_kernels
from seizurekit.training.learner import Learner
from seizurekit.training.meter import Meter
from seizurekit.training.ranks import Ranks, process_group
from seizurekit.training.run.checkpointer import Checkpointer
from seizurekit.training.run.compatibility import check_compatible, current_origin
from seizurekit.training.run.folder import RunFolder, lock_run_folder
from seizurekit.training.run.progress import EpochScores, Progress
from seizurekit.training.run.state import StateHeader, newest_state
from seizurekit.training.schedule import Schedule
from seizurekit.training.seeding import seed_everything
from seizurekit.training.step import StepResult
from seizurekit.training.stop import StopRequest
from seizurekit.training.telemetry.records import Ended, Started, Validated
from seizurekit.training.telemetry.telemetry import Telemetry
from seizurekit.training.validation import validate

ALL_NEGATIVE = (
    'epoch {epoch}: the detector predicts "no seizure" everywhere: hardly any seizure sample reached a probability of '
    "0.5 in the whole epoch. Usual causes: labels that do not match the signal (look at some windows), a learning rate "
    "too high or too low, a seizure weight (training.pos_weight) too small for the windows, loader.balanced=false"
)


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training run.

    Attributes:
        detector: file of the best detector.
        log: ``metrics.jsonl``, with all records.
        epoch: the best epoch, from 1.
        threshold: the threshold that was chosen for it on ``dev``.
        metrics: its scores on ``dev``.
        seconds: duration of the run, with all its interrupted parts.
        reason: why the run ended.
    """

    detector: Path
    log: Path
    epoch: int
    threshold: float
    metrics: dict[str, float]
    seconds: float
    reason: str


def train(
    config: Config, run_dir: Path | None = None, *, resume: bool = False, overwrite: bool = False
) -> TrainingResult:
    """Trains a detector on the split ``train`` of a store, and keeps the epoch with the best `validation.metric`.

    Under torchrun all processes train one model together; rank 0 writes files and logs.

    Args:
        config: the configuration.
        run_dir: folder for all output files; None for ``runs/<name>``.
        resume: continue from the newest training state in the folder; start from scratch if there is none.
        overwrite: replace a run in the folder.

    Raises:
        CacheError: the store is missing, was built with another chain, or has no seizures in ``train`` or ``dev``.
        CorpusError: a patient is in both splits.
        ConfigError: the device is missing, the folder contains another run, the sizes of the model do not fit, or W&B
            would reject the run.
        BackendError: an operation has fallen back to plain torch, and `model.require_kernels` does not allow it.
        CheckpointError: the training state does not match this run, or all states are damaged.
        NotFiniteError: loss or gradient was not finite in too many steps in a row; names the windows of the last one.
        TrainingStoppedError: SIGTERM or SIGINT was received; a state was saved.
    """
    with StopRequest() as stop, process_group(config.training.device) as (ranks, device_name), ExitStack() as stack:
        stack.enter_context(seed_everything(config.seed, config.training.deterministic))
        checked = check_before_training(
            config, run_dir, device=device_name, ranks=ranks, resume=resume, overwrite=overwrite
        )
        config, folder, device, data = checked.config, checked.folder, checked.device, checked.data
        ranks.on_rank_0(lambda: stack.enter_context(lock_run_folder(folder, resume=resume, overwrite=overwrite)))

        model = checked.model.to(device)
        backends = check_required_kernels(model, config, device)
        learner = Learner(model, config, data.pos_weight, ranks)
        loader = make_loader(data, config, device, ranks)
        schedule = make_schedule(config, data, batches=len(loader), ranks=ranks)
        origin = current_origin(data.stores)

        resumed, warnings = load_resume_state(folder, config, origin, learner) if resume else (None, [])
        progress = resumed.progress if resumed else Progress()

        telemetry = stack.enter_context(
            Telemetry.open(
                folder.path,
                config,
                schedule.steps,
                enabled=ranks.is_rank_0,
                resumed=resumed.telemetry if resumed else None,
                wandb=checked.wandb,
            )
        )
        parameters = sum(parameter.numel() for parameter in model.parameters())
        facts = {**backends, "device": str(device), "processes": ranks.world, "parameters": parameters}
        resumed_step = progress.step if resumed else None
        telemetry.emit(Started(config.name, config.model_dump(mode="json"), facts, schedule.steps, resumed_step))
        for line in (*data.describe(config), f"{parameters} parameters on {device}; {schedule.steps} steps"):
            telemetry.log(line)
        for line in warnings:
            telemetry.warn(line)

        loop = TrainingLoop(
            config=config,
            data=data,
            learner=learner,
            runner=EpochRunner(learner, loader, schedule, config, stop),
            meter=Meter(config, loader, device, telemetry, schedule.steps),
            checkpointer=Checkpointer(folder, config, origin, telemetry, is_rank_0=ranks.is_rank_0),
            telemetry=telemetry,
            ranks=ranks,
            stop=stop,
            progress=progress,
        )
        return loop.run()


def load_resume_state(
    folder: RunFolder, config: Config, origin: Origin, learner: Learner
) -> tuple[StateHeader | None, list[str]]:
    """Loads the newest training state into the learner.

    Returns:
        The header of the state, or None if there is no state; and warnings for the log.

    Raises:
        CheckpointError: the state does not match this run, or all states are damaged.
    """
    warnings: list[str] = []
    state = newest_state(folder.states, warnings.append)
    if state is None:
        return None, [f"{folder.states}: no training state found; starting from scratch"]
    warnings += check_compatible(state, config, origin)
    learner.load(state)
    return state.header, warnings


def make_schedule(config: Config, data: TrainingData, *, batches: int, ranks: Ranks) -> Schedule:
    """The schedule of a run whose epochs have `batches` batches on each rank."""
    training = config.training
    return Schedule(
        training,
        epoch_windows=len(data.train),
        epoch_steps=-(-batches // training.accumulate),
        step_windows=config.loader.batch_size * ranks.world * training.accumulate,
    )


@dataclass(kw_only=True)
class TrainingLoop:
    """A run: epochs of training, each followed by a validation."""

    config: Config
    data: TrainingData
    learner: Learner
    runner: EpochRunner
    meter: Meter
    checkpointer: Checkpointer
    telemetry: Telemetry
    ranks: Ranks
    stop: StopRequest
    progress: Progress

    def __post_init__(self) -> None:
        self._began = time.monotonic() - self.progress.seconds

    def run(self) -> TrainingResult:
        """Trains and validates until the run ends."""
        progress = self.progress
        with self.meter:
            while (reason := self._end_reason()) is None:
                if progress.epoch == progress.validated:
                    self.train_epoch()
                self.validate_epoch()
        self.telemetry.emit(Ended(progress.step, reason))
        best, folder = progress.best, self.checkpointer.folder
        assert best is not None  # `_end_reason` ends a run only after a validation
        return TrainingResult(
            detector=folder.best,
            log=folder.metrics,
            epoch=best.epoch,
            threshold=best.threshold,
            metrics=best.metrics,
            seconds=progress.seconds,
            reason=reason,
        )

    def _end_reason(self) -> str | None:
        progress, training = self.progress, self.config.training
        patience = self.config.validation.patience
        if progress.epoch > progress.validated or progress.best is None:
            return None
        if progress.epoch >= training.epochs:
            return "finished"
        if training.max_steps is not None and progress.step >= training.max_steps:
            return f"finished: training.max_steps {training.max_steps}"
        if patience is not None and progress.since_best >= patience:
            return f"no better {self.config.validation.metric} in {patience} epochs"
        return None

    def train_epoch(self) -> None:
        """Trains the rest of the current epoch; saves a state when it is due, before an early end, and at the end."""
        progress = self.progress
        end: Callable[[], SeizurekitError] | None = None
        self.meter.start_epoch()
        with closing(self.runner.steps(progress)) as steps:
            for step in steps:
                progress.count(step)
                self.meter.log(step, progress.skipped)
                end = end or self._check(step)
                if end or self.checkpointer.is_due():
                    self.runner.request_drain()
                    if self.runner.is_idle:  # on a GPU the result of one more step may come first
                        self._save()
                        if end:
                            raise end()
        progress.finish_epoch()
        self._save()

    def _check(self, step: StepResult) -> Callable[[], SeizurekitError] | None:
        """Warns about a skipped step; returns a function that makes the error to end the run with, or None."""
        skipped, limit = self.progress.skipped_in_a_row, self.config.training.stop_after_nonfinite
        if skipped >= limit:
            return partial(self._not_finite, step)
        if skipped == 1:
            self.telemetry.warn(f"{_describe_nonfinite(step)}; step skipped; windows {step.indices}")
        return self._stopped if step.outcome.stop else None

    def validate_epoch(self) -> None:
        """Scores the finished epoch on ``dev``, and saves its detector if it is the best."""
        progress, metric = self.progress, self.config.validation.metric
        found = validate(
            self.learner.detector,
            self.data.dev,
            self.config,
            self.data.pos_weight,
            self.ranks,
            note_activity=self.telemetry.note_activity,
            stop=lambda: self.stop.is_requested,
        )
        if found is None:
            raise self._stopped()
        sums, scores = progress.sums, EpochScores(progress.epoch, found.threshold, found.metrics)
        is_best = progress.count_validation(scores, metric)
        if is_best:
            self.checkpointer.save_best(self.learner, scores, self.data.train.seizure_ratio)
        self.telemetry.emit(
            Validated(
                step=progress.step,
                epoch=progress.epoch,
                metrics=found.metrics,
                threshold=found.threshold,
                seconds=found.seconds,
                train_loss=sums.mean_loss,
                best=is_best,
            )
        )
        if sums.all_negative:
            self.telemetry.warn(ALL_NEGATIVE.format(epoch=progress.epoch))
        self._save()

    def _save(self) -> None:
        self.progress.seconds = time.monotonic() - self._began
        self.checkpointer.save_state(self.learner, self.progress)

    def _not_finite(self, step: StepResult) -> NotFiniteError:
        limit = self.config.training.stop_after_nonfinite
        return NotFiniteError(
            f"{_describe_nonfinite(step)}, in {limit} steps in a row (training.stop_after_nonfinite); windows "
            f"{step.indices}; the state is in {self.checkpointer.folder.states}"
        )

    def _stopped(self) -> TrainingStoppedError:
        signal, step = self.stop.signal, self.progress.step
        reason = f"stopped by {signal.name}" if signal else "stopped because another rank received a signal"
        self.telemetry.emit(Ended(step, reason, complete=False))
        return TrainingStoppedError(
            f"{reason} after step {step}; the state is in {self.checkpointer.folder.states}; continue with --resume",
            signal or 15,
        )


def _describe_nonfinite(step: StepResult) -> str:
    outcome = step.outcome
    return (
        f"step {step.step}: loss is {outcome.mean_loss:g}, gradient norm is {outcome.norm:g}, expected finite numbers"
    )
