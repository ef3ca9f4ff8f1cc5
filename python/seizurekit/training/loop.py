"""Training a detector: one function to read from top to bottom, and after it those that it calls, in their order."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from seizurekit import settings
from seizurekit.config import Config
from seizurekit.errors import CacheError, NotFiniteError, TrainingStoppedError
from seizurekit.evaluation.detector_file import Checkpoint, save_checkpoint
from seizurekit.loading.protocol import Batch, Loader
from seizurekit.models import build
from seizurekit.models.device import pick_device
from seizurekit.training.data import Data, make_loader, open_data
from seizurekit.training.deterministic import seeded
from seizurekit.training.guards import ALL_NEGATIVE, check_kernels
from seizurekit.training.learner import Learner, Pending
from seizurekit.training.meter import Meter
from seizurekit.training.optimizer import learning_rate
from seizurekit.training.ranks import Ranks, joined
from seizurekit.training.run.compatibility import check_same, identity
from seizurekit.training.run.folder import RunFolder, held
from seizurekit.training.run.progress import Best, EpochSums, Progress, rank
from seizurekit.training.run.state import TrainingState, newest_state, save_state
from seizurekit.training.smoke import shortened_for_smoke
from seizurekit.training.stop import StopRequest
from seizurekit.training.telemetry.records import Ended, Saved, Started, Validated
from seizurekit.training.telemetry.telemetry import Telemetry
from seizurekit.training.telemetry.wandb_check import check_wandb
from seizurekit.training.validation import Validation
from seizurekit.training.validation import validate as score_on_dev

T = TypeVar("T")


@dataclass(frozen=True)
class TrainingResult:
    """What a training left.

    Attributes:
        checkpoint: file of the best epoch's detector.
        log: ``metrics.jsonl``, every record.
        epoch: the best, from 1.
        threshold: chosen for it on ``dev``.
        metrics: its scores on ``dev``.
        seconds: that the training took, all its runs together.
        reason: why it ended.
    """

    checkpoint: Path
    log: Path
    epoch: int
    threshold: float
    metrics: dict[str, float]
    seconds: float
    reason: str


def train(
    config: Config, run_dir: Path | None = None, *, resume: bool = False, overwrite: bool = False
) -> TrainingResult:
    """Trains a detector on the split ``train`` of a store and keeps the epoch that is best on ``dev``.

    Best is the epoch whose `validation.metric` is; equal ones are told apart by the AUROC of the samples. Under
    torchrun all its processes train one model; the first of them writes and speaks.

    Args:
        config: what to train, on what.
        run_dir: folder for all that is written; None for ``runs/<name>``.
        resume: go on from the newest state there; from the beginning where there is none.
        overwrite: replace a training that is there.

    Raises:
        CacheError: no store, one of another chain, or one without seizures in ``train`` or ``dev``.
        CorpusError: a patient is in both splits.
        ConfigError: the device is not there, or the folder holds another training.
        BackendError: an operation fell back though `model.require_kernels` forbids it.
        CheckpointError: the state to go on from is of another run, or none is whole.
        NotFiniteError: loss or gradient was not finite in too many steps in a row; names the windows of the last.
        TrainingStoppedError: SIGTERM or SIGINT came; a state was saved.
    """
    config = shortened_for_smoke(config)
    folder = RunFolder(run_dir or Path("runs") / config.name)
    with StopRequest() as stop, joined(config.training.device) as (ranks, device_name), ExitStack() as stack:
        stack.enter_context(seeded(config.seed, config.training.deterministic))
        device = pick_device(device_name, "training.device")
        data = open_data(config)
        plan = ranks.first_only(lambda: check_wandb(config.wandb))
        ranks.first_only(lambda: stack.enter_context(held(folder.path, resume=resume, overwrite=overwrite)))

        model = build(config, data.train.seizure_ratio).to(device)
        served = check_kernels(model, config, device)
        learner = Learner(model, config, data.pos_weight, ranks)
        loader = make_loader(data, config, device, ranks)
        steps = total_steps(config, loader)
        state, progress, notes = gone_on_with(folder, config, data, learner, resume)

        resumed = state.header["telemetry"] if state else None
        telemetry = stack.enter_context(
            Telemetry.opened(folder.path, config, steps, first=ranks.first, resumed=resumed, wandb=plan)
        )
        parameters = sum(parameter.numel() for parameter in model.parameters())
        facts = {**served, "device": str(device), "processes": ranks.world, "parameters": parameters}
        telemetry.emit(
            Started(config.name, config.model_dump(mode="json"), facts, steps, progress.step if state else None)
        )
        for line in (*data.described(config), f"{parameters} parameters on {device}; {steps} steps"):
            telemetry.say(line)
        for line in notes:
            telemetry.warn(line)
        return Run(config, folder, data, learner, loader, ranks, stop, telemetry, progress).to_its_end()


def gone_on_with(
    folder: RunFolder, config: Config, data: Data, learner: Learner, resume: bool
) -> tuple[TrainingState | None, Progress, list[str]]:
    """The newest state in the folder, given to the learner; its progress; and what is to be told about it."""
    if not resume:
        return None, Progress(), []
    notes: list[str] = []
    state = newest_state(folder.states, notes.append)
    if state is None:
        return None, Progress(), [f"{folder.states}: found no training state to go on from; begins anew"]
    notes += check_same(state, config, data.stores)
    learner.load(state)
    return state, Progress.from_dict(state.header["progress"]), notes


def total_steps(config: Config, loader: Loader) -> int:
    """Steps of the optimiser in the whole run."""
    steps = config.training.epochs * -(-len(loader) // config.training.accumulate)
    return min(steps, config.training.max_steps or steps)


class Run:
    """A training under way."""

    def __init__(
        self,
        config: Config,
        folder: RunFolder,
        data: Data,
        learner: Learner,
        loader: Loader,
        ranks: Ranks,
        stop: StopRequest,
        telemetry: Telemetry,
        progress: Progress,
    ) -> None:
        self._config, self._folder, self._data = config, folder, data
        self._identity = identity(config, data.stores)
        self._learner, self._loader = learner, loader
        self._ranks, self._stop, self._telemetry = ranks, stop, telemetry
        self.progress = progress
        self.meter = Meter(config, loader, learner.device, telemetry, total_steps(config, loader))
        self._under_way: Pending | None = None
        self._began = time.monotonic() - progress.seconds
        self._saved_at = time.monotonic()
        self._every_s = 60.0 * (config.checkpoints.minutes or settings.mid_epoch_minutes())

    def to_its_end(self) -> TrainingResult:
        """Epoch after epoch, each followed by its validation, until there is a reason to end."""
        progress = self.progress
        with self.meter:
            while (reason := self._reason_to_end()) is None:
                if progress.epoch == progress.validated:
                    self.train_epoch()
                self.validate()
        best = progress.best
        assert best is not None  # an epoch was validated
        self._telemetry.emit(Ended(progress.step, reason))
        log = self._folder.metrics
        return TrainingResult(
            self._folder.best, log, best.epoch, best.threshold, best.metrics, progress.seconds, reason
        )

    def _reason_to_end(self) -> str | None:
        progress, training = self.progress, self._config.training
        patience = self._config.validation.patience
        if progress.epoch > progress.validated or progress.best is None:
            return None
        if progress.epoch >= training.epochs:
            return "finished"
        if training.max_steps is not None and progress.step >= training.max_steps:
            return f"finished: training.max_steps {training.max_steps}"
        if patience is not None and progress.since_best >= patience:
            return f"no better {self._config.validation.metric} in {patience} epochs"
        return None

    def train_epoch(self) -> None:
        """What is left of an epoch."""
        progress, training, loader = self.progress, self._config.training, self._loader
        loader.set_epoch(progress.epoch, progress.done)
        batches = loader.remaining()
        before: _Step | None = None
        self.meter.begin()
        with closing(self._metered(iter(loader))) as source:
            for sizes in in_groups(batches, training.accumulate):
                numbers = self._add_batches(source, sizes)
                progress.done += sum(sizes)
                progress.step += 1
                lr = learning_rate(self._share_over(sum(sizes)), training)
                self._under_way = self._learner.update(lr, self._stop.wanted)
                step = _Step(self._under_way, progress.step, lr, numbers)
                # On a GPU the step before this one is looked at, so that the GPU has one to go on with.
                stopped = self._settle(before if self._learner.device.type == "cuda" else step)
                before = step
                if stopped or self._must_save() or progress.step == training.max_steps:
                    stopped = self._settle(before) or stopped
                    before = None
                    self._save()
                if stopped:
                    raise self._stopped()
                if progress.step == training.max_steps:
                    break
            else:
                next(source, None)  # to the loader's own end, at which the next epoch's first batches are read ahead
        self._settle(before)
        progress.epoch, progress.done = progress.epoch + 1, 0
        self._save()

    def _add_batches(self, source: Iterator[Batch], sizes: Sequence[int]) -> list[int]:
        """Adds up the gradients of a step's batches; the numbers of their windows on this rank."""
        progress, numbers = self.progress, []
        before = progress.done
        for i, size in enumerate(sizes):
            batch = next(source, None)
            if batch is None:
                raise CacheError(f"{self._config.cache.dir}: found no readable window in a whole batch, wanted some")
            current = self._loader.current
            numbers += current.tolist()
            last = i + 1 == len(sizes)
            self._learner.add(*batch, current, (progress.epoch, before), sum(sizes), last)
            before += size
        return numbers

    def _share_over(self, windows: int) -> float:
        """Share of the run that is over at the middle of the step whose windows were counted last."""
        training, epoch = self._config.training, len(self._data.train)
        total = training.epochs * epoch
        if training.max_steps is not None:
            step = self._config.loader.batch_size * self._ranks.world * training.accumulate
            total = min(total, training.max_steps * step)
        return (self.progress.epoch * epoch + self.progress.done - windows / 2) / total

    def _metered(self, batches: Iterator[Batch]) -> Generator[Batch]:
        """The batches, the time for which they were waited for noted."""
        with closing(cast(Generator[Batch], batches)):
            while True:
                began = time.perf_counter()
                batch = next(batches, None)
                if batch is None:
                    return
                # A device that still has a step to do was not kept waiting.
                if self._under_way is None or self._under_way.done:
                    self.meter.waited(time.perf_counter() - began)
                yield batch

    def _settle(self, step: _Step | None) -> bool:
        """Takes note of a step's outcome, once; whether any rank was told to stop."""
        if step is None or step.settled:
            return False
        step.settled = True
        outcome, progress = step.pending.read(), self.progress
        if outcome.finite:
            progress.skipped_in_a_row = 0
            sums = progress.sums
            progress.sums = EpochSums(
                sums.loss + outcome.loss,
                sums.windows + outcome.windows,
                sums.seizure + outcome.seizure,
                sums.found + outcome.found,
            )
        else:
            self._left_out(step, outcome.mean_loss, outcome.norm)
        self.meter.step(step.number, progress.epoch + 1, outcome, step.lr, progress.skipped)
        return outcome.stop

    def _left_out(self, step: _Step, loss: float, norm: float) -> None:
        progress, most = self.progress, self._config.training.stop_after_nonfinite
        progress.skipped += 1
        progress.skipped_in_a_row += 1
        told = f"step {step.number}: loss {loss:g}, norm of the gradient {norm:g}, wanted finite numbers"
        if progress.skipped_in_a_row < most:
            if progress.skipped_in_a_row == 1:
                self._telemetry.warn(f"{told}; the step is left out; windows {step.numbers}")
            return
        self._save()
        raise NotFiniteError(
            f"{told}, in {most} steps in a row (training.stop_after_nonfinite); windows {step.numbers}; the state is "
            f"in {self._folder.states}"
        )

    def validate(self) -> None:
        """Scores the epoch that is over on ``dev``, and keeps its detector if it is the best."""
        progress, config, learner = self.progress, self._config, self._learner
        found = score_on_dev(
            learner.detector,
            self._data.dev,
            config,
            self._data.pos_weight,
            self._ranks,
            alive=self._telemetry.alive,
            stop=lambda: self._stop.wanted,
        )
        if found is None:
            raise self._stopped()
        metric = config.validation.metric
        better = progress.best is None or rank(found.metrics, metric) > rank(progress.best.metrics, metric)
        if better:
            progress.best, progress.since_best = Best(progress.epoch, found.threshold, found.metrics), 0
            self._save_best(found)
        else:
            progress.since_best += 1
        self._telemetry.emit(
            Validated(
                progress.step,
                progress.epoch,
                found.metrics,
                found.threshold,
                found.seconds,
                progress.sums.mean_loss,
                better,
            )
        )
        if progress.sums.all_negative:
            self._telemetry.warn(ALL_NEGATIVE.format(epoch=progress.epoch))
        progress.validated, progress.sums = progress.epoch, EpochSums()
        self._save()

    def _save_best(self, found: Validation) -> None:
        if self._ranks.first:
            detector = Checkpoint(
                self._learner.detector,
                self._config,
                self._data.train.seizure_ratio,
                found.threshold,
                self.progress.epoch,
                found.metrics,
                {name: self._identity[name] for name in ("stores", "versions", "git")},
            )
            save_checkpoint(self._folder.best, detector)

    def _must_save(self) -> bool:
        return time.monotonic() - self._saved_at >= self._every_s

    def _save(self) -> None:
        began = time.monotonic()
        self._saved_at = began
        self.progress.seconds = began - self._began
        if not self._ranks.first:
            return
        header = {
            **self._identity,
            "progress": self.progress.to_dict(),
            "scaler": self._learner.scaler_state(),
            "telemetry": self._telemetry.state(),
        }
        keep = self._config.checkpoints.keep
        path = save_state(self._folder.states, self.progress.step, self._learner.tensors(), header, keep)
        self._telemetry.emit(Saved(self.progress.step, str(path), time.monotonic() - began))

    def _stopped(self) -> TrainingStoppedError:
        signal = self._stop.signal
        told = f"stopped by {signal.name}" if signal else "stopped, as another process was told to"
        self._telemetry.emit(Ended(self.progress.step, told, complete=False))
        return TrainingStoppedError(
            f"{told} after step {self.progress.step}; the state is in {self._folder.states}, train --resume goes on",
            signal or 15,
        )


@dataclass
class _Step:
    """A step that was sent on its way: its outcome, number from 1, learning rate, and the windows of this rank."""

    pending: Pending
    number: int
    lr: float
    numbers: list[int]
    settled: bool = False


def in_groups(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Runs of `size` items; the last may be shorter."""
    for first in range(0, len(items), size):
        yield items[first : first + size]
