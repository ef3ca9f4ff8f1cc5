"""The files that a run saves: training states, and the detector of the best epoch."""

from __future__ import annotations

import time

from seizurekit import settings
from seizurekit.config import Config
from seizurekit.evaluation.detector_file import Origin, TrainedDetector, save_detector
from seizurekit.signal.chain import Chain
from seizurekit.training.learner import Learner
from seizurekit.training.run.folder import RunFolder
from seizurekit.training.run.progress import EpochScores, Progress
from seizurekit.training.run.state import StateHeader, save_state
from seizurekit.training.telemetry.records import Saved
from seizurekit.training.telemetry.telemetry import Telemetry


class Checkpointer:
    """Saves the training states of a run every few minutes, and its best detector; rank 0 writes."""

    def __init__(
        self, folder: RunFolder, config: Config, origin: Origin, telemetry: Telemetry, *, is_rank_0: bool
    ) -> None:
        self.folder = folder
        self._config, self._origin, self._telemetry = config, origin, telemetry
        self._writes = is_rank_0
        self._interval_s = 60.0 * (config.checkpoints.minutes or settings.mid_epoch_minutes())
        self._saved_at = time.monotonic()

    def is_due(self) -> bool:
        """Whether the last state is old enough for a new one within an epoch."""
        return time.monotonic() - self._saved_at >= self._interval_s

    def save_state(self, learner: Learner, progress: Progress) -> None:
        """Saves a training state."""
        self._saved_at = time.monotonic()
        if not self._writes:
            return
        header = StateHeader(
            config=self._config.model_dump(mode="json"),
            chain=Chain().hash,
            stores=self._origin.stores,
            versions=self._origin.versions,
            git=self._origin.git,
            progress=progress,
            scaler=learner.scaler_state(),
            telemetry=self._telemetry.state(),
        )
        path = save_state(self.folder.states, learner.tensors(), header, self._config.checkpoints.keep)
        self._telemetry.emit(Saved(progress.step, str(path), time.monotonic() - self._saved_at))

    def save_best(self, learner: Learner, best: EpochScores, seizure_ratio: float) -> None:
        """Saves the detector file of the best epoch."""
        if self._writes:
            detector = TrainedDetector(
                learner.detector,
                self._config,
                seizure_ratio,
                best.threshold,
                best.epoch,
                best.metrics,
                self._origin,
            )
            save_detector(self.folder.best, detector)
