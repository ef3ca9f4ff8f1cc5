"""What the training loop itself costs: the rate of its batches, with a model of no cost, over the loader's own.

Example: ``python -m bench.loop`` and ``python -m bench.loop --source s3 --step-ms 150``. The loop is the one that
`seizurekit train` runs, with its records, guards and saved states; of the model only the time is there, which
``--step-ms`` sets. Both sides read the same batches, in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from bench.corpus import make_corpus
from bench.measure import this_machine
from bench.servers.local_s3 import variables
from bench.servers.static_s3 import BUCKET, served
from seizurekit.cache.store import open_cache
from seizurekit.config import Config
from seizurekit.loading.dataset import EEGWindowDataset
from seizurekit.training.data import Data, make_loader
from seizurekit.training.learner import Pending
from seizurekit.training.loop import Run, total_steps
from seizurekit.training.ranks import Ranks
from seizurekit.training.run.folder import RunFolder
from seizurekit.training.run.progress import Progress
from seizurekit.training.stop import StopRequest
from seizurekit.training.telemetry.telemetry import Telemetry

SPLIT = "train"


class PretendLearner:
    """Takes as long for a step as it is told to, and learns nothing."""

    device = torch.device("cpu")

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._windows = 0

    def add(self, x_BCT: Tensor, y_BT: Tensor, numbers: npt.NDArray[np.int64], *place: Any) -> None:
        """The batch is there; it is not looked at."""
        self._windows += len(x_BCT)

    def update(self, lr: float, stop: bool = False) -> Pending:
        """Lets the step's time go by, without using a processor, as while a GPU works."""
        if self._step_s:
            time.sleep(self._step_s)
        windows, self._windows = self._windows, 0
        return Pending(torch.tensor([0.5 * windows, windows, 0.0, 0.0, float(stop), 1.0], dtype=torch.float64))

    def tensors(self) -> dict[str, Tensor]:
        """Nothing much to save."""
        return {"model.nothing": torch.zeros(1)}

    def scaler_state(self) -> dict[str, Any]:
        """None."""
        return {}


@dataclass(frozen=True)
class Result:
    """Seconds a batch, an epoch a number, by the loader alone and by the loop around it.

    Attributes:
        loader_s: by the loader alone.
        loop_s: by the loop.
        waiting: share of the loop's time in which it waited for data.
        batches: of an epoch.
    """

    loader_s: tuple[float, ...]
    loop_s: tuple[float, ...]
    waiting: float
    batches: int

    @property
    def share(self) -> float:
        """The loop's rate over the loader's own, medians."""
        return statistics.median(self.loader_s) / statistics.median(self.loop_s)


def main(arguments: list[str] | None = None) -> None:
    """Runs what the command line asks for."""
    options = _options(arguments)
    with ExitStack() as stack:
        place = _opened(stack, options)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        result = measured(place, Path(folder), options)
    machine = this_machine(("seizurekit", "torch", "obstore"))
    title = (
        f"{options.source}: {result.batches} batches of {options.batch_size} an epoch, {options.step_ms:g} ms a step"
    )
    if options.json:
        sys.stdout.write(json.dumps({"title": title, "machine": asdict(machine), **asdict(result)}, indent=2) + "\n")
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 130)
    console.print(_table(title, result, options.step_ms))
    console.print(str(machine), soft_wrap=True)


def measured(place: str, folder: Path, options: argparse.Namespace) -> Result:
    """Epochs by the loader alone and by the loop, in turn."""
    config = _config(place, options)
    windows = EEGWindowDataset(place, SPLIT, stride=options.stride)
    data = Data(windows, open_cache(place, split=SPLIT), pos_weight=1.0)
    alone, within = (make_loader(data, config, torch.device("cpu"), Ranks()) for _ in range(2))
    learner: Any = PretendLearner(options.step_ms / 1e3)
    with Telemetry.opened(folder, config, total_steps(config, within)) as telemetry, StopRequest() as stop:
        # The balanced set's windows would not be those of the loader alone: every window, in both.
        run = Run(config, RunFolder(folder), data, learner, within, Ranks(), stop, telemetry, Progress())
        loader_s, loop_s, waited_s = [], [], 0.0
        for epoch in range(options.epochs + 1):
            alone.set_epoch(epoch)
            loader_s.append(_seconds_alone(iter(alone), options.step_ms / 1e3) / len(alone))
            began = time.perf_counter()
            run.train_epoch()
            loop_s.append((time.perf_counter() - began) / len(within))
            waited_s += run.meter.epoch_waited_s if epoch else 0.0
    # The first epoch warms up the page cache, and begins with nothing read ahead.
    whole = sum(loop_s[1:]) * len(within)
    return Result(tuple(loader_s[1:]), tuple(loop_s[1:]), waited_s / whole, len(within))


def _opened(stack: ExitStack, options: argparse.Namespace) -> str:
    """The store's place."""
    if options.source not in ("local", "s3"):
        return str(options.source)
    store = make_corpus(Path(options.data), options.hours, old=False).store
    if options.source == "local":
        return str(store)
    stack.enter_context(variables(stack.enter_context(served(store.parent, options.latency_ms))))
    return f"s3://{BUCKET}/{store.name}"


def _seconds_alone(batches: Any, step_s: float) -> float:
    began = time.perf_counter()
    with closing(batches):
        for _ in batches:
            if step_s:
                time.sleep(step_s)
    return time.perf_counter() - began


def _config(place: str, options: argparse.Namespace) -> Config:
    return Config.model_validate(
        {
            "name": "bench",
            "cache": {"dir": place, "stride": options.stride},
            "loader": {"batch_size": options.batch_size, "balanced": False, "prefetch": options.prefetch},
            "training": {"epochs": options.epochs + 1, "device": "cpu"},
        }
    )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="local", help="local, s3 (a local server), or a store's URL")
    parser.add_argument("--latency-ms", type=float, default=100.0, help="of each request to the local server")
    parser.add_argument("--step-ms", type=float, default=0.0, help="that the pretended model takes")
    parser.add_argument("--epochs", type=int, default=5, help="measured, after one that warms up")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--prefetch", type=int, default=4)
    parser.add_argument("--hours", type=float, default=8.0, help="of the generated corpus")
    parser.add_argument("--stride", type=float, default=2.0, help="seconds from one window to the next")
    parser.add_argument("--data", default="build/bench/loop", help="where the corpus is kept")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _table(title: str, result: Result, step_ms: float) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("", "ms a batch", "aim"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row("loader alone", f"{1e3 * statistics.median(result.loader_s):.2f}", "")
    table.add_row("loop", f"{1e3 * statistics.median(result.loop_s):.2f}", "")
    if step_ms:
        table.add_row("waiting for data", f"{result.waiting:.2%}", "< 2 %")
    else:
        table.add_row("loop's rate / loader's own", f"{result.share:.1%}", ">= 95 %")
    return table


if __name__ == "__main__":
    main()
