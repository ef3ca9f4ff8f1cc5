"""A training step on a machine that other programs occupy, by how torch's idle threads wait.

Example: ``python -m bench.threads --busy 0 1 2 4``. OpenMP's threads spin while they wait for the next parallel region.
On a busy machine a spinning thread takes the processor from the thread it waits for. Every setting runs in a process
of its own, because OpenMP reads its variables once; the settings take turns.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.report import Measurement, Report, add_output_options, this_machine

SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "spin 100": {"GOMP_SPINCOUNT": "100"},
    "spin 1000": {"GOMP_SPINCOUNT": "1000"},
    "spin 5000": {"GOMP_SPINCOUNT": "5000"},
    "spin 20000": {"GOMP_SPINCOUNT": "20000"},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
OPENMP = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.threads", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2, 4], help="busy processes next to the training")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of training in each run")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    add_output_options(parser)
    options = parser.parse_args(arguments)
    if options.child:
        print(windows_per_second(options.seconds, options.batch))
        return 0
    measurements: list[Measurement] = []
    for busy in options.busy:
        with busy_processes(busy):
            rates: dict[str, list[float]] = {name: [] for name in options.settings}
            for _ in range(options.rounds):
                for name in options.settings:
                    rates[name].append(_in_child(SETTINGS[name], options))
        case = f"{busy} busy processes"
        measurements += [Measurement(case, name, "windows/s", tuple(values), "rate") for name, values in rates.items()]
    Report(
        name="threads",
        title=f"training steps of {options.batch} windows of 30 s",
        measurements=tuple(measurements),
        machine=this_machine(["seizurekit", "torch"]),
        parameters={name: getattr(options, name) for name in ("busy", "settings", "rounds", "seconds", "batch")},
    ).write(options)
    return 0


def windows_per_second(seconds: float, batch: int) -> float:
    """Windows of 30 s per second through training steps of `tiny`."""
    import torch

    import seizurekit as sk
    from seizurekit.config import ModelConfig

    torch.manual_seed(0)
    model = sk.models.build(ModelConfig.model_validate({"size": "tiny"}))
    optimizer = torch.optim.AdamW(model.parameters())
    x_BCT, y_BT = torch.randn(batch, 19, 30 * 256), torch.zeros(batch, 30 * 256)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(model(x_BCT), y_BT).backward()
        optimizer.step()

    step()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step()
        steps += 1
    return steps * batch / (time.perf_counter() - start)


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keeps `count` processes computing for as long as the block runs."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _in_child(setting: dict[str, str], options: argparse.Namespace) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in OPENMP} | setting
    command = [sys.executable, "-m", "bench.threads", "--child"]
    command += ["--seconds", str(options.seconds), "--batch", str(options.batch)]
    return float(
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()[-1]
    )


if __name__ == "__main__":
    sys.exit(main())
