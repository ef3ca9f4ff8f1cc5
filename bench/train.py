"""One training step of each size of the detector, and where its time goes.

Example: ``python -m bench.train``, ``python -m bench.train --sizes base --device cuda --precision bfloat16``. Batches
come from `seizurekit.WindowLoader` over a generated corpus, as in training. Every part is waited for before the next
begins; the step as a whole is timed apart, without waiting.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import seizurekit as sk
from bench.corpus import make_corpus
from bench.gpu import gpu_utilisation
from bench.measure import this_machine
from seizurekit.cache.windows import Windows
from seizurekit.config import ModelConfig
from seizurekit.models.detector import SIZES
from seizurekit.training.loss import seizure_loss

T = TypeVar("T")
PARTS = ("loading", "transfer", "forward", "backward", "optimiser")
_PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Result:
    """Medians over the steps of one size, ms.

    Attributes:
        size: of the detector.
        parameters: it has.
        parts_ms: each part by itself.
        step_ms: a whole step, loading included, without waiting for the device between the parts.
        windows_per_s: that go through it so.
        gpu_percent: utilisation meanwhile; None without a GPU.
    """

    size: str
    parameters: int
    parts_ms: dict[str, float]
    step_ms: float
    windows_per_s: float
    gpu_percent: float | None


class Step:
    """A training step of a detector, in parts."""

    def __init__(self, size: str, options: argparse.Namespace) -> None:
        torch.manual_seed(0)
        self.device = torch.device(options.device)
        self.precision = _PRECISIONS[options.precision]
        self.model = sk.models.build(ModelConfig.model_validate({"size": size})).to(self.device)
        self.run = torch.compile(self.model) if options.compile else self.model
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)

    def transfer(self, x_BCT: Tensor, y_BT: Tensor) -> tuple[Tensor, Tensor]:
        """The batch on the device."""
        return x_BCT.to(self.device), y_BT.to(self.device)

    def forward(self, x_BCT: Tensor, y_BT: Tensor) -> Tensor:
        """The loss."""
        with self._autocast():
            logits_BT = self.run(x_BCT)
        return seizure_loss(logits_BT, y_BT, 2.0)

    def update(self) -> None:
        """The optimiser's part."""
        self.optimizer.step()
        self.optimizer.zero_grad()

    def wait(self) -> None:
        """Until the device has done what it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision is not None)


def main(arguments: list[str] | None = None) -> None:
    """Runs what the command line asks for."""
    options = _options(arguments)
    corpus = make_corpus(Path(options.data), options.hours, old=False)
    windows = sk.open_cache(corpus.store).windows()
    results = [_measured(size, windows, options) for size in options.sizes.split(",")]
    machine = this_machine(("seizurekit", "torch", "triton", "mamba-ssm", "causal-conv1d"))
    device = torch.device(options.device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    title = f"a training step of {options.batch_size} windows of 60 s, {options.precision}, on {where}"
    if options.json:
        found = {"title": title, "machine": asdict(machine), "results": [asdict(result) for result in results]}
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 130)
    console.print(_table(title, results))
    console.print(str(machine), soft_wrap=True)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sizes", default=",".join(SIZES), help="separated by commas")
    parser.add_argument("--precision", choices=tuple(_PRECISIONS), default="float32")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model first")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--hours", type=float, default=2.0, help="of the generated corpus")
    parser.add_argument("--data", default="build/bench/loader")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    unknown = [size for size in options.sizes.split(",") if size not in SIZES]
    if unknown:
        parser.error(f"--sizes: found {unknown[0]!r}, wanted some of {', '.join(SIZES)}")
    return options


def _measured(size: str, windows: Windows, options: argparse.Namespace) -> Result:
    step = Step(size, options)
    device = step.device if step.device.type == "cuda" else None
    loader = sk.WindowLoader(windows, options.batch_size, balanced=False, device=device)
    with closing(_endless(loader)) as batches:
        _whole_step(step, next(batches))  # warms up, compiles
        parts = [_in_parts(step, batches) for _ in range(options.steps)]
        step.wait()
        with gpu_utilisation() as percents:
            began = time.perf_counter()
            for _ in range(options.steps):
                _whole_step(step, next(batches))
            step.wait()
            seconds = (time.perf_counter() - began) / options.steps
    medians = {part: statistics.median(found[part] for found in parts) * 1e3 for part in PARTS}
    parameters = sum(parameter.numel() for parameter in step.model.parameters())
    percent = statistics.mean(percents) if percents else None
    return Result(size, parameters, medians, seconds * 1e3, options.batch_size / seconds, percent)


def _endless(loader: sk.WindowLoader) -> Generator[tuple[Tensor, Tensor], None, None]:
    while True:
        yield from loader


def _whole_step(step: Step, batch: tuple[Tensor, Tensor]) -> None:
    step.forward(*step.transfer(*batch)).backward()
    step.update()


def _in_parts(step: Step, batches: Iterator[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Seconds of each part of one step."""
    seconds = {}

    def timed(part: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = work()
        step.wait()
        seconds[part] = time.perf_counter() - began
        return result

    batch = timed("loading", lambda: next(batches))
    batch = timed("transfer", lambda: step.transfer(*batch))
    loss = timed("forward", lambda: step.forward(*batch))
    timed("backward", loss.backward)
    timed("optimiser", step.update)
    return seconds


def _table(title: str, results: list[Result]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    headings = ("size", "parameters", *(f"{part} ms" for part in PARTS), "step ms", "windows/s", "GPU %")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "size" else "right")
    for result in results:
        parts = [f"{result.parts_ms[part]:.1f}" for part in PARTS]
        gpu = "-" if result.gpu_percent is None else f"{result.gpu_percent:.0f}"
        whole = (f"{result.step_ms:.1f}", f"{result.windows_per_s:.1f}", gpu)
        table.add_row(result.size, f"{result.parameters / 1e6:.1f} M", *parts, *whole)
    return table


if __name__ == "__main__":
    main()
