"""The steps of an epoch: order of launches and reads on a GPU and on the CPU, waiting times, and where an epoch ends.

The learner and the loader are stand-ins that record what happens, so that the order on a GPU shows without one.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch

from seizurekit.config import TrainingConfig
from seizurekit.errors import CacheError, NotFiniteError, TrainingStoppedError
from seizurekit.training.epoch import EpochRunner
from seizurekit.training.loop import TrainingLoop
from seizurekit.training.run.progress import Progress
from seizurekit.training.schedule import Schedule
from seizurekit.training.step import Outcome
from seizurekit.training.stop import StopRequest
from tiny import tiny_config

BATCHES = 5


class FakePending:
    def __init__(self, learner: FakeLearner, step: int, loss: float, stop: bool) -> None:
        self.learner, self.step, self.loss, self.stop = learner, step, loss, stop
        self.is_done = True

    def read(self) -> Outcome:
        self.learner.log.append(f"read {self.step}")
        return Outcome(self.loss, 2.0, 10.0, 5.0, self.stop, 1.0)


class FakeLearner:
    """Logs its steps, and in `batches` the position, the windows of the step and `is_last` of each batch.

    Step `nan_at` has no finite loss, and the signal comes in step `stop_at`.
    """

    def __init__(self, device: str, *, nan_at: tuple[int, ...] = (), stop_at: int = 0) -> None:
        self.device = torch.device(device)
        self.nan_at, self.stop_at = nan_at, stop_at
        self.log: list[str] = []
        self.batches: list[tuple[int, int, bool]] = []
        self.launched = 0
        self.last: FakePending | None = None
        self.is_slow = False

    def accumulate(self, *batch: Any, before: int, step_windows: int, is_last: bool, **options: Any) -> None:
        self.batches.append((before, step_windows, is_last))

    def update(self, lr: float, stop: bool = False) -> FakePending:
        self.launched += 1
        self.log.append(f"launch {self.launched}")
        loss = float("nan") if self.launched in self.nan_at else 1.0
        self.last = FakePending(self, self.launched, loss, self.launched == self.stop_at)
        self.last.is_done = not self.is_slow
        return self.last


class FakeLoader:
    """Hands out `readable` of five batches of two windows."""

    def __init__(self, readable: int = BATCHES, seconds: float = 0.0) -> None:
        self.readable, self.seconds = readable, seconds
        self.first = 0
        self.is_exhausted = False
        self.current = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return BATCHES

    def set_epoch(self, epoch: int, done: int = 0) -> None:
        self.first = done // 2

    def remaining(self) -> list[int]:
        return [2] * (BATCHES - self.first)

    def __iter__(self) -> Generator[tuple[torch.Tensor, torch.Tensor]]:
        for i in range(self.first, self.readable):
            time.sleep(self.seconds)
            self.current = np.array([2 * i, 2 * i + 1])
            yield torch.zeros(2, 19, 8), torch.zeros(2, 8)
        self.is_exhausted = True


def new_runner(learner: Any, loader: Any, **training: Any) -> EpochRunner:
    config = tiny_config(training=training)
    schedule = Schedule(TrainingConfig(), 2 * BATCHES, BATCHES, 2)
    return EpochRunner(learner, loader, schedule, config, StopRequest())


def test_on_the_cpu_each_step_is_read_before_the_next_one_is_launched() -> None:
    learner = FakeLearner("cpu")
    runner = new_runner(learner, FakeLoader(), max_steps=3)
    for _ in runner.steps(Progress()):
        assert runner.is_idle
    assert learner.log == ["launch 1", "read 1", "launch 2", "read 2", "launch 3", "read 3"]


def test_on_a_gpu_a_step_is_read_after_the_next_one_was_launched() -> None:
    learner = FakeLearner("cuda")
    steps = [result.step for result in new_runner(learner, FakeLoader(), max_steps=3).steps(Progress())]
    assert steps == [1, 2, 3]
    assert learner.log == ["launch 1", "launch 2", "read 1", "launch 3", "read 2", "read 3"]


def test_a_drain_reads_the_step_in_flight_before_another_one_is_launched() -> None:
    learner = FakeLearner("cuda")
    runner = new_runner(learner, FakeLoader())
    idle = []
    for result in runner.steps(Progress()):
        if result.step in (2, 3):
            runner.request_drain()
            idle.append(runner.is_idle)
    assert idle == [False, True]
    assert learner.log == [
        *("launch 1", "launch 2", "read 1", "launch 3", "read 2", "read 3"),
        *("launch 4", "launch 5", "read 4", "read 5"),
    ]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_results_have_position_indices_and_learning_rate(device: str) -> None:
    learner = FakeLearner(device)
    runner = new_runner(learner, FakeLoader(), accumulate=2)
    results = list(runner.steps(Progress(step=7, epoch=1, windows_done=2)))
    assert [(result.step, result.epoch, result.windows_done) for result in results] == [(8, 2, 6), (9, 2, 10)]
    assert [result.indices for result in results] == [[2, 3, 4, 5], [6, 7, 8, 9]]
    assert learner.batches == [(2, 4, False), (4, 4, True), (6, 4, False), (8, 4, True)]
    schedule = Schedule(TrainingConfig(), 2 * BATCHES, BATCHES, 2)
    assert [result.lr for result in results] == [schedule.learning_rate(1, before, 4) for before in (2, 6)]


def test_an_epoch_exhausts_the_loader_so_that_it_reads_ahead_unless_the_run_ends() -> None:
    for max_steps, is_exhausted in ((None, True), (BATCHES, False)):
        loader = FakeLoader()
        list(new_runner(FakeLearner("cpu"), loader, max_steps=max_steps).steps(Progress()))
        assert loader.is_exhausted is is_exhausted


def test_a_batch_without_readable_windows_is_an_error() -> None:
    with pytest.raises(CacheError, match="store: all windows of a batch are unreadable"):
        list(new_runner(FakeLearner("cpu"), FakeLoader(readable=3)).steps(Progress()))


@pytest.mark.parametrize(("device", "is_slow"), [("cpu", False), ("cuda", False), ("cuda", True)])
def test_waiting_counts_only_while_the_device_is_idle(device: str, is_slow: bool) -> None:
    learner = FakeLearner(device)
    learner.is_slow = is_slow
    waited = sum(result.waited_s for result in new_runner(learner, FakeLoader(seconds=0.01)).steps(Progress()))
    if is_slow:
        assert 0.01 <= waited < 0.05  # only the first batch, before which no step was launched
    else:
        assert waited >= 0.05


class FakeCheckpointer:
    """Logs, for each state, the steps of its progress and the steps launched until then."""

    class Folder:
        states = "checkpoints"

    folder = Folder()

    def __init__(self, learner: FakeLearner, due_after: int = 0) -> None:
        self.learner, self.due_after = learner, due_after
        self.saved: list[tuple[int, int]] = []

    def is_due(self) -> bool:
        return bool(self.due_after) and self.learner.launched >= self.due_after and not self.saved

    def save_state(self, learner: Any, progress: Progress) -> None:
        self.saved.append((progress.step, self.learner.launched))


class FakeTelemetry:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def emit(self, record: object) -> None:
        pass


class FakeMeter:
    def start_epoch(self) -> None:
        pass

    def log(self, step: object, skipped: int) -> None:
        pass


def new_loop(learner: FakeLearner, due_after: int = 0, progress: Progress | None = None, **training: Any) -> Any:
    fakes: Any = {
        "data": None,
        "learner": learner,
        "runner": new_runner(learner, FakeLoader(), **training),
        "meter": FakeMeter(),
        "checkpointer": FakeCheckpointer(learner, due_after),
        "telemetry": FakeTelemetry(),
        "ranks": None,
    }
    return TrainingLoop(
        config=tiny_config(training=training), stop=StopRequest(), progress=progress or Progress(), **fakes
    )


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_state_has_the_progress_of_all_launched_steps(device: str) -> None:
    loop = new_loop(FakeLearner(device), due_after=3)
    loop.train_epoch()
    assert loop.checkpointer.saved == [(3, 3), (BATCHES, BATCHES)]
    assert (loop.progress.epoch, loop.progress.windows_done) == (1, 0)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_stop_saves_all_launched_steps_and_ends_the_epoch(device: str) -> None:
    loop = new_loop(FakeLearner(device, stop_at=2))
    last = 2 if device == "cpu" else 3
    with pytest.raises(TrainingStoppedError, match=f"after step {last}; the state is in checkpoints"):
        loop.train_epoch()
    assert loop.checkpointer.saved == [(last, last)]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_step_that_reached_the_limit_of_skipped_steps_is_named(device: str) -> None:
    loop = new_loop(FakeLearner(device, nan_at=(2, 3)), stop_after_nonfinite=2)
    with pytest.raises(NotFiniteError, match=r"step 3: loss is nan.*in 2 steps in a row.*windows \[4, 5\]"):
        loop.train_epoch()
    last = 3 if device == "cpu" else 4
    assert loop.checkpointer.saved == [(last, last)]
    (warning,) = loop.telemetry.warnings
    assert warning.startswith("step 2: loss is nan")
    assert loop.progress.skipped == 2


def test_several_skipped_steps_in_a_row_give_one_warning() -> None:
    loop = new_loop(FakeLearner("cpu", nan_at=(2, 3, 5)), stop_after_nonfinite=3)
    loop.train_epoch()
    assert [warning.partition(":")[0] for warning in loop.telemetry.warnings] == ["step 2", "step 5"]


def test_the_duration_includes_that_of_earlier_parts_of_the_run() -> None:
    loop = new_loop(FakeLearner("cpu"), progress=Progress(seconds=1000.0))
    loop.train_epoch()
    assert 1000.0 < loop.progress.seconds < 2000.0
