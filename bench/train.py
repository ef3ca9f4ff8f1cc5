"""Time of one training step of each detector size, by part.

Example: ``python -m bench.train``, ``python -m bench.train --sizes base --device cuda --precision bfloat16``. Batches
come from `seizurekit.WindowLoader` over a generated corpus, as in training. To time the parts, the device is
synchronized after each of them; the whole step is timed separately, without synchronization.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

import seizurekit as sk
from bench.corpus import make_corpus
from bench.gpu import device_name, gpu_utilisation
from bench.report import Measurement, Report, add_output_options, milliseconds, this_machine
from seizurekit.cache.windows import Windows
from seizurekit.config import ModelConfig
from seizurekit.models.detector import SIZES
from seizurekit.training.loss import seizure_loss

T = TypeVar("T")
PARTS = ("loading", "transfer", "forward", "backward", "optimizer")
WHOLE = "whole step"
_PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


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
        """Loss of the batch."""
        with self._autocast():
            logits_BT = self.run(x_BCT)
        return seizure_loss(logits_BT, y_BT, 2.0)

    def update(self) -> None:
        """Updates the parameters and resets the gradients."""
        self.optimizer.step()
        self.optimizer.zero_grad()

    def synchronize(self) -> None:
        """Waits until the device has finished its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision is not None)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    options = _parse(arguments)
    corpus = make_corpus(Path(options.data), options.hours, with_npz=False)
    windows = sk.open_cache(corpus.store).windows()
    Report(
        name="train",
        title=f"a training step of {options.batch_size} windows of 60 s, {options.precision}",
        measurements=tuple(each for size in options.sizes.split(",") for each in measure(size, windows, options)),
        machine=this_machine(
            ("seizurekit", "torch", "triton", "mamba-ssm", "causal-conv1d"), device_name(torch.device(options.device))
        ),
        parameters=vars(options),
    ).write(options)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sizes", default=",".join(SIZES), help="separated by commas")
    parser.add_argument("--precision", choices=tuple(_PRECISIONS), default="float32")
    parser.add_argument("--compile", action="store_true", help="compile the model with torch.compile")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--hours", type=float, default=2.0, help="length of the generated corpus")
    parser.add_argument("--data", default="build/bench/loader", help="folder of the generated corpus")
    add_output_options(parser)
    options = parser.parse_args(arguments)
    unknown = [size for size in options.sizes.split(",") if size not in SIZES]
    if unknown:
        parser.error(f"--sizes has {unknown[0]!r}, expected some of {', '.join(SIZES)}")
    return options


def measure(size: str, windows: Windows, options: argparse.Namespace) -> list[Measurement]:
    """Times of the parts and of the whole step of one detector size, after a step that warms up and compiles."""
    step = Step(size, options)
    device = step.device if step.device.type == "cuda" else None
    loader = sk.WindowLoader(windows, options.batch_size, balanced=False, device=device)
    with closing(_endless(loader)) as batches:
        _run_step(step, next(batches))
        parts = [_time_parts(step, batches) for _ in range(options.steps)]
        step.synchronize()
        with gpu_utilisation() as percents:
            start = time.perf_counter()
            for _ in range(options.steps):
                _run_step(step, next(batches))
            step.synchronize()
            whole_s = (time.perf_counter() - start) / options.steps
    parameters = sum(parameter.numel() for parameter in step.model.parameters())
    case = f"{size}, {parameters / 1e6:.1f} M parameters"
    seconds = {part: tuple(times[part] for times in parts) for part in PARTS}
    rate = Measurement(case, WHOLE, "windows/s", (options.batch_size / whole_s,), "rate")
    measurements = [*milliseconds(case, seconds | {WHOLE: (whole_s,)}), rate]
    if percents:
        measurements.append(Measurement(case, WHOLE, "%", (float(np.mean(percents)),), "GPU utilisation"))
    return measurements


def _endless(loader: sk.WindowLoader) -> Generator[tuple[Tensor, Tensor], None, None]:
    while True:
        yield from loader


def _run_step(step: Step, batch: tuple[Tensor, Tensor]) -> None:
    step.forward(*step.transfer(*batch)).backward()
    step.update()


def _time_parts(step: Step, batches: Iterator[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Seconds of each part of one step."""
    seconds = {}

    def timed(part: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        step.synchronize()
        seconds[part] = time.perf_counter() - start
        return result

    batch = timed("loading", lambda: next(batches))
    batch = timed("transfer", lambda: step.transfer(*batch))
    loss = timed("forward", lambda: step.forward(*batch))
    timed("backward", loss.backward)
    timed("optimizer", step.update)
    return seconds


if __name__ == "__main__":
    main()
