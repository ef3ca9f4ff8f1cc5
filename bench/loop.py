"""Overhead of the training loop: its rate of batches with a model that costs nothing, relative to the loader's rate.

Example: ``python -m bench.loop`` and ``python -m bench.loop --source s3 --step-ms 150``. The loop is the one that
`seizurekit train` runs, with its records, guards and saved states. The model is replaced by a wait of ``--step-ms``.
Both sides read the same batches, alternately.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.corpus import make_corpus
from bench.report import Figure, Report, add_output_options, milliseconds, this_machine
from bench.servers.s3 import serve_folder, set_environment
from seizurekit.cache.store import open_cache
from seizurekit.config import Config
from seizurekit.loading.dataset import EEGWindowDataset
from seizurekit.training.data import TrainingData, make_loader
from seizurekit.training.epoch import EpochRunner
from seizurekit.training.loop import TrainingLoop, make_schedule
from seizurekit.training.meter import Meter
from seizurekit.training.ranks import Ranks
from seizurekit.training.run.checkpointer import Checkpointer
from seizurekit.training.run.compatibility import current_origin
from seizurekit.training.run.folder import RunFolder
from seizurekit.training.run.progress import Progress
from seizurekit.training.step import PendingOutcome
from seizurekit.training.stop import StopRequest
from seizurekit.training.telemetry.telemetry import Telemetry

SPLIT = "train"


class IdleLearner:
    """Replacement of the learner that waits `step_s` per step and learns nothing."""

    device = torch.device("cpu")

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._windows = 0

    def accumulate(self, x_BCT: Tensor, y_BT: Tensor, indices: npt.NDArray[np.int64], **_: Any) -> None:
        """Accepts the batch and ignores its content."""
        self._windows += len(x_BCT)

    def update(self, lr: float, stop: bool = False) -> PendingOutcome:
        """Waits without using a processor, as while a GPU works."""
        if self._step_s:
            time.sleep(self._step_s)
        windows, self._windows = self._windows, 0
        values = [0.5 * windows, windows, 0.0, 0.0, float(stop), 1.0]
        return PendingOutcome(torch.tensor(values, dtype=torch.float64))

    def tensors(self) -> dict[str, Tensor]:
        """A state of almost no size to save."""
        return {"model.nothing": torch.zeros(1)}

    def scaler_state(self) -> dict[str, Any]:
        """Empty: there is no gradient scaler."""
        return {}


@dataclass(frozen=True)
class Result:
    """Seconds per batch of the loader alone and of the loop around it, one value per epoch.

    Attributes:
        loader_s: of the loader alone.
        loop_s: of the loop.
        waiting: share of the loop's time in which it waited for data.
        batches: per epoch.
    """

    loader_s: tuple[float, ...]
    loop_s: tuple[float, ...]
    waiting: float
    batches: int

    @property
    def relative_rate(self) -> float:
        """The loop's rate divided by the loader's own rate, from medians."""
        return statistics.median(self.loader_s) / statistics.median(self.loop_s)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    options = _parse(arguments)
    with ExitStack() as stack:
        location = _open_source(stack, options)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        result = measure(location, Path(folder), options)
    case = f"{options.source}, {result.batches} batches of {options.batch_size}, {options.step_ms:g} ms per step"
    if options.step_ms:
        figure = Figure(case, "loop: waiting for data", 100 * result.waiting, "%", "below 2")
    else:
        figure = Figure(case, "rate of the loop / rate of the loader", result.relative_rate, target="at least 0.95")
    Report(
        name="loop",
        title="a batch, mean of an epoch",
        measurements=milliseconds(case, {"loader alone": result.loader_s, "loop": result.loop_s}),
        figures=(figure,),
        machine=this_machine(("seizurekit", "torch", "obstore")),
        parameters=vars(options),
    ).write(options)


def measure(location: str, folder: Path, options: argparse.Namespace) -> Result:
    """Times epochs of the loader alone and of the loop, alternately."""
    config = _config(location, options)
    windows = EEGWindowDataset(location, SPLIT, stride=options.stride)
    data = TrainingData(windows, open_cache(location, split=SPLIT), pos_weight=1.0)
    alone, within = (make_loader(data, config, torch.device("cpu"), Ranks()) for _ in range(2))
    learner: Any = IdleLearner(options.step_ms / 1e3)
    schedule = make_schedule(config, data, batches=len(within), ranks=Ranks())
    with Telemetry.open(folder, config, schedule.steps) as telemetry, StopRequest() as stop:
        origin = current_origin(data.stores)
        run = TrainingLoop(
            config=config,
            data=data,
            learner=learner,
            runner=EpochRunner(learner, within, schedule, config, stop),
            meter=Meter(config, within, learner.device, telemetry, schedule.steps),
            checkpointer=Checkpointer(RunFolder(folder), config, origin, telemetry, is_rank_0=True),
            telemetry=telemetry,
            ranks=Ranks(),
            stop=stop,
            progress=Progress(),
        )
        loader_s, loop_s, waited_s = [], [], 0.0
        for epoch in range(options.epochs + 1):
            alone.set_epoch(epoch)
            loader_s.append(_time_loader(iter(alone), options.step_ms / 1e3) / len(alone))
            start = time.perf_counter()
            run.train_epoch()
            loop_s.append((time.perf_counter() - start) / len(within))
            waited_s += run.meter.epoch_waited_s if epoch else 0.0
    # The first epoch fills the page cache and starts with no batch read ahead.
    total_s = sum(loop_s[1:]) * len(within)
    return Result(tuple(loader_s[1:]), tuple(loop_s[1:]), waited_s / total_s, len(within))


def _open_source(stack: ExitStack, options: argparse.Namespace) -> str:
    """Location of the store: a folder or a URL."""
    if options.source not in ("local", "s3"):
        return str(options.source)
    store = make_corpus(Path(options.data), options.hours, with_npz=False).store
    if options.source == "local":
        return str(store)
    server = stack.enter_context(serve_folder(store.parent, options.latency_ms))
    stack.enter_context(set_environment(server.environment))
    return server.url(store.name)


def _time_loader(batches: Any, step_s: float) -> float:
    start = time.perf_counter()
    with closing(batches):
        for _ in batches:
            if step_s:
                time.sleep(step_s)
    return time.perf_counter() - start


def _config(location: str, options: argparse.Namespace) -> Config:
    return Config.model_validate(
        {
            "name": "bench",
            "cache": {"dir": location, "stride": options.stride},
            # Not balanced: both sides must read the same windows.
            "loader": {"batch_size": options.batch_size, "balanced": False, "prefetch": options.prefetch},
            "training": {"epochs": options.epochs + 1, "device": "cpu"},
        }
    )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.loop", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", default="local", help="local, s3 (a local server), or the URL of a store")
    parser.add_argument("--latency-ms", type=float, default=100.0, help="latency of the local server per request")
    parser.add_argument("--step-ms", type=float, default=0.0, help="duration of a step of the replaced model")
    parser.add_argument("--epochs", type=int, default=5, help="measured epochs, after one that warms up")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--prefetch", type=int, default=4)
    parser.add_argument("--hours", type=float, default=8.0, help="length of the generated corpus")
    parser.add_argument("--stride", type=float, default=2.0, help="seconds between the starts of windows")
    parser.add_argument("--data", default="build/bench/loop", help="folder of the generated corpus")
    add_output_options(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
