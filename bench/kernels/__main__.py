"""How fast the causal convolution and Mamba-2's scan are, by every back end, on the CPU or on a GPU.

Example: ``python -m bench.kernels``, ``python -m bench.kernels --device cuda --json``. A back end whose numbers are
wrong is not timed. GB/s counts what must be moved: x and y, and backward dy, x and dx.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from bench.kernels.causal_conv1d import CONV1D, PACKAGE, Convolution, Shape, contenders
from bench.kernels.ssd_scan import ScanRow, scan_rows
from bench.measure import this_machine
from bench.timing import medians
from seizurekit.models.detector import EXPAND, SIZES

COPY = "copy of the tensor"
MODES = {"forward": 2, "backward": 3, "both": 5}
"""What is timed, and how many times the size of x it must move."""
AIMS = {
    "native / torch F.conv1d by groups, forward": ">= 10",
    "native / best plain torch, forward": ">= 2.5",
    "native / torch F.conv1d by groups, both": ">= 6",
}


@dataclass(frozen=True)
class Row:
    """One contender's median over the rounds, for one shape and mode."""

    shape: str
    mode: str
    contender: str
    median_ms: float
    gb_s: float
    share_of_copy: float
    times_conv1d: float
    times_package: float | None


def main(arguments: list[str] | None = None) -> None:
    """Runs what the command line asks for."""
    options = _options(arguments)
    device = torch.device(options.device)
    skipped: dict[str, str] = {}
    rows = [row for shape in _shapes(options, device) for row in _rows(shape, options.rounds, skipped)]
    scans = scan_rows(device, options.rounds, skipped) if options.scan else []
    _report(options, device, rows, scans, skipped)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch's, on the CPU")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16", "float16"), help="default: float32, on a GPU bfloat16"
    )
    parser.add_argument("--shape", action="append", help="B,D,L; may be given more than once")
    parser.add_argument("--sweep", action="store_true", help="also lengths 64 to 16384 at 1152 channels")
    parser.add_argument("--no-scan", dest="scan", action="store_false", help="leave Mamba-2's scan out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    return options


def _shapes(options: argparse.Namespace, device: torch.device) -> list[Shape]:
    """The design's, each detector size's own at 60 s, and the sweep."""
    dtype = getattr(torch, options.dtype or ("bfloat16" if device.type == "cuda" else "float32"))
    if options.shape:
        sizes = [_numbers(text) for text in options.shape]
    else:
        sizes = [(4, 1152, 960)]
        sizes += [(4, EXPAND * size.widths[-1] + 2 * size.d_state, 960) for size in SIZES.values()]
    if options.sweep:
        sizes += [(4, 1152, 2**power) for power in range(6, 15)]
    return [Shape(b, d, length, 4, dtype, last, device) for b, d, length in sizes for last in (True, False)]


def _numbers(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() and int(part) for part in parts):
        raise SystemExit(f"--shape: found {text!r}, wanted B,D,L, e.g. 4,1152,960")
    batch, channels, length = map(int, parts)
    return batch, channels, length


def _rows(shape: Shape, rounds: int, skipped: dict[str, str]) -> list[Row]:
    x = shape.tensor().requires_grad_()
    weight = torch.randn(shape.channels, shape.width, device=shape.device, requires_grad=True)
    bias = torch.randn(shape.channels, device=shape.device, requires_grad=True)
    functions = dict(contenders(shape, skipped))
    rows = []
    for mode, moved in MODES.items():
        calls: dict[str, Callable[[], object]] = {COPY: _copy(x)}
        calls |= {name: _call(function, mode, (x, weight, bias)) for name, function in functions.items()}
        found = medians(calls, rounds, shape.device)
        rows += [_row(shape, mode, moved, name, found) for name in calls]
    return rows


def _copy(x: Tensor) -> Callable[[], object]:
    source, target = x.detach(), torch.empty_like(x)
    return lambda: target.copy_(source)


def _call(function: Convolution, mode: str, leaves: tuple[Tensor, Tensor, Tensor]) -> Callable[[], object]:
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


def _row(shape: Shape, mode: str, moved: int, name: str, found: dict[str, float]) -> Row:
    seconds = found[name]
    speed = (2 if name == COPY else moved) * shape.bytes / seconds
    package = found.get(PACKAGE)
    return Row(
        str(shape),
        mode,
        name,
        seconds * 1e3,
        speed / 1e9,
        speed / (2 * shape.bytes / found[COPY]),
        found[CONV1D] / seconds,
        None if package is None else package / seconds,
    )


def _ratios(rows: Sequence[Row]) -> dict[str, float]:
    """The design's figures, of its own shape."""
    first = {
        (row.mode, row.contender, row.shape.rpartition(", ")[2]): row for row in rows if "(4, 1152, 960)" in row.shape
    }
    ratios: dict[str, float] = {}
    for (mode, contender, layout), row in first.items():
        if contender != "native":
            continue
        ratios[f"native / {CONV1D}, {mode}, {layout}"] = row.times_conv1d
        plain = [r.median_ms for (m, name, _), r in first.items() if m == mode and name in ("torch", "torch shifts")]
        if plain:
            ratios[f"native / best plain torch, {mode}, {layout}"] = min(plain) / row.median_ms
    return ratios


def _report(
    options: argparse.Namespace,
    device: torch.device,
    rows: Sequence[Row],
    scans: Sequence[ScanRow],
    skipped: dict[str, str],
) -> None:
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {options.threads} threads"
    machine = this_machine(("seizurekit", "torch", "triton", "causal-conv1d", "mamba-ssm"))
    ratios = _ratios(rows)
    if options.json:
        found = {
            "device": where,
            "machine": asdict(machine),
            "rows": [asdict(row) for row in rows],
            "scan": [asdict(row) for row in scans],
            "ratios": ratios,
            "aims": AIMS,
            "skipped": skipped,
        }
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 130)
    for shape in dict.fromkeys(row.shape for row in rows):
        console.print(_table(f"causal_conv1d + SiLU {shape}", [row for row in rows if row.shape == shape]))
    if scans:
        console.print(_scan_table(scans))
    for name, ratio in ratios.items():
        aim = next((aim for key, aim in AIMS.items() if name.startswith(key)), "")
        console.print(f"{name}: {ratio:.1f}{f' (aim {aim})' if aim else ''}")
    for name, reason in skipped.items():
        console.print(f"skipped: {name} ({reason})", markup=False)
    console.print(f"{where}; {machine}", soft_wrap=True)


def _table(title: str, rows: Sequence[Row]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("contender")
    for heading in ("", "median ms", "GB/s", "of copy", "x conv1d", "x package"):
        table.add_column(heading, justify="right")
    for row in rows:
        package = "" if row.times_package is None else f"{row.times_package:.2f}"
        figures = (f"{row.median_ms:.3f}", f"{row.gb_s:.1f}", f"{row.share_of_copy:.0%}", f"{row.times_conv1d:.1f}")
        table.add_row(row.contender, row.mode, *figures, package)
    return table


def _scan_table(rows: Sequence[ScanRow]) -> Table:
    table = Table(title="ssd_scan", title_justify="left", title_style="bold")
    for heading in ("shape", "mode", "contender", "median ms", "x sequential"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row.shape, row.mode, row.contender, f"{row.median_ms:.2f}", f"{row.times_sequential:.1f}")
    return table


if __name__ == "__main__":
    main()
