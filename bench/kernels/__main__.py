"""Speed of the causal convolution and of Mamba-2's scan with every back end, on the CPU or on a GPU.

Example: ``python -m bench.kernels``, ``python -m bench.kernels --device cuda --json``. A back end with wrong results is
not timed. GB/s counts the tensors that must be moved: x and y in the forward pass; dy, x and dx in the backward pass.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.gpu import device_name
from bench.kernels.causal_conv1d import CONV1D, PACKAGE, Convolution, Shape, contenders
from bench.kernels.ssd_scan import measure_scans
from bench.kernels.timing import time_on_device
from bench.report import (
    Figure,
    Measurement,
    Report,
    add_output_options,
    medians,
    milliseconds,
    speed_ups,
    this_machine,
)
from seizurekit.models.detector import EXPAND, SIZES

COPY = "copy of the tensor"
MODES = {"forward": 2, "backward": 3, "both": 5}
"""Passes to time, and how many tensors of the size of x each must move."""
TARGETS = {
    ("forward", f"{CONV1D} / native"): "at least 10",
    ("forward", "best plain torch / native"): "at least 2.5",
    ("both", f"{CONV1D} / native"): "at least 6",
}
GOAL_SIZE = (4, 1152, 960)


@dataclass(frozen=True)
class ConvTimes:
    """Seconds per call of every contender, for one shape and mode."""

    shape: Shape
    mode: str
    seconds: dict[str, tuple[float, ...]]

    @property
    def case(self) -> str:
        """The case of the report."""
        return f"causal_conv1d + SiLU, {self.mode}, {self.shape}"

    def measurements(self) -> tuple[Measurement, ...]:
        """Times, throughput, and speed relative to others."""
        throughput = {name: self._moved_bytes(name) / median / 1e9 for name, median in medians(self.seconds).items()}
        shares = {name: value / throughput[COPY] for name, value in throughput.items()}
        return (
            *milliseconds(self.case, self.seconds),
            *(Measurement(self.case, name, "GB/s", (value,), "throughput") for name, value in throughput.items()),
            *(Measurement(self.case, name, "ratio", (share,), "throughput / copy") for name, share in shares.items()),
            *(each for baseline in (CONV1D, PACKAGE) for each in speed_ups(self.case, self.seconds, baseline)),
        )

    def figures(self) -> tuple[Figure, ...]:
        """Ratios for `GOAL_SIZE`, the shape that the goals are for."""
        median = medians(self.seconds)
        if (self.shape.batch, self.shape.channels, self.shape.length) != GOAL_SIZE or "native" not in median:
            return ()
        ratios = {f"{CONV1D} / native": median[CONV1D] / median["native"]}
        plain = [median[name] for name in ("torch", "torch shifts") if name in median]
        if plain:
            ratios["best plain torch / native"] = min(plain) / median["native"]
        return tuple(
            Figure(self.case, name, ratio, target=TARGETS.get((self.mode, name), "")) for name, ratio in ratios.items()
        )

    def _moved_bytes(self, contender: str) -> int:
        return (2 if contender == COPY else MODES[self.mode]) * self.shape.bytes


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    options = _parse(arguments)
    device = torch.device(options.device)
    skipped: dict[str, str] = {}
    times = [each for shape in _shapes(options, device) for each in _time_shape(shape, options.rounds, skipped)]
    scans = measure_scans(device, options.rounds, skipped) if options.scan else ()
    Report(
        name="kernels",
        title="one call",
        measurements=(*(each for time in times for each in time.measurements()), *scans),
        figures=tuple(figure for time in times for figure in time.figures()),
        machine=this_machine(("seizurekit", "torch", "triton", "causal-conv1d", "mamba-ssm"), device_name(device)),
        skipped=skipped,
        parameters=vars(options),
    ).write(options)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.kernels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch's threads on the CPU")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16", "float16"), help="default: float32 on the CPU, bfloat16 on a GPU"
    )
    parser.add_argument("--shape", action="append", help="B,D,L; may be repeated")
    parser.add_argument("--sweep", action="store_true", help="also lengths from 64 to 16384 at 1152 channels")
    parser.add_argument("--no-scan", dest="scan", action="store_false", help="skip Mamba-2's scan")
    add_output_options(parser)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    return options


def _shapes(options: argparse.Namespace, device: torch.device) -> list[Shape]:
    """The requested shapes, or `GOAL_SIZE` and those of each detector size at 60 s; and the sweep."""
    dtype = getattr(torch, options.dtype or ("bfloat16" if device.type == "cuda" else "float32"))
    if options.shape:
        sizes = [_parse_shape(text) for text in options.shape]
    else:
        sizes = [GOAL_SIZE]
        sizes += [(4, EXPAND * size.widths[-1] + 2 * size.d_state, 960) for size in SIZES.values()]
    if options.sweep:
        sizes += [(4, 1152, 2**power) for power in range(6, 15)]
    return [Shape(b, d, length, 4, dtype, last, device) for b, d, length in sizes for last in (True, False)]


def _parse_shape(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() and int(part) for part in parts):
        raise SystemExit(f"--shape is {text!r}, expected B,D,L, for example 4,1152,960")
    batch, channels, length = map(int, parts)
    return batch, channels, length


def _time_shape(shape: Shape, rounds: int, skipped: dict[str, str]) -> list[ConvTimes]:
    x = shape.tensor().requires_grad_()
    weight = torch.randn(shape.channels, shape.width, device=shape.device, requires_grad=True)
    bias = torch.randn(shape.channels, device=shape.device, requires_grad=True)
    functions = dict(contenders(shape, skipped))
    times = []
    for mode in MODES:
        calls: dict[str, Callable[[], object]] = {COPY: _copy(x)}
        calls |= {name: _call(function, mode, (x, weight, bias)) for name, function in functions.items()}
        times.append(ConvTimes(shape, mode, time_on_device(calls, rounds, shape.device)))
    return times


def _copy(x: Tensor) -> Callable[[], object]:
    source, target = x.detach(), torch.empty_like(x)
    return lambda: target.copy_(source)


def _call(function: Convolution, mode: str, leaves: Sequence[Tensor]) -> Callable[[], object]:
    def forward() -> object:
        with torch.no_grad():
            return function(*leaves)

    if mode == "forward":
        return forward
    y = function(*leaves)
    dy = torch.randn_like(y)
    if mode == "backward":
        return lambda: torch.autograd.grad(y, leaves, dy, retain_graph=True)
    return lambda: torch.autograd.grad(function(*leaves), leaves, dy)


if __name__ == "__main__":
    main()
