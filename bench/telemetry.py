"""Cost of telemetry for the training thread: `note_activity` with every batch, `emit` with every tenth.

Example: ``python -m bench.telemetry`` or ``python -m bench.telemetry --wandb``. Each is called in a row, and after
waits of 4 ms, as between the batches of a loader: the processor's caches are then cold.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.report import Measurement, Report, add_output_options, this_machine
from seizurekit.config import Config
from seizurekit.training.telemetry.records import GpuLoad, Trained
from seizurekit.training.telemetry.telemetry import Telemetry
from seizurekit.training.telemetry.wandb_check import WandbPlan

_STEP_S = 0.004


def measure(name: str, call: Callable[[int], None], calls: int) -> list[Measurement]:
    """Time of a call, in a row and after a wait."""
    measurements = []
    for case, wait_s in (("in a row", 0.0), (f"after {_STEP_S * 1e3:g} ms", _STEP_S)):
        microseconds = []
        for index in range(calls):
            if wait_s:
                time.sleep(wait_s)
            start = time.perf_counter()
            call(index)
            microseconds.append((time.perf_counter() - start) * 1e6)
        measurements.append(Measurement(case, name, "µs", tuple(microseconds)))
    return measurements


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.telemetry", description=__doc__)
    parser.add_argument("--wandb", action="store_true", help="also to W&B, offline")
    parser.add_argument("--calls", type=int, default=300, help="calls of each")
    add_output_options(parser)
    options = parser.parse_args(arguments)
    os.environ["BGB_DISABLE_TQDM"] = "1"
    config = Config.model_validate({"name": "bench", "cache": {"dir": "none"}})
    plan = WandbPlan("offline", "bench") if options.wandb else None
    load = GpuLoad(93.0, 11.5)
    sinks = "console, metrics.jsonl, TensorBoard" + (", W&B" if plan else "")
    with (
        tempfile.TemporaryDirectory() as folder,
        Telemetry.open(Path(folder), config, options.calls, wandb=plan) as run,
    ):
        measurements = [
            *measure("note_activity", lambda index: run.note_activity(f"training, batch {index}"), options.calls),
            *measure(
                f"emit to {sinks}",
                lambda step: run.emit(Trained(step, 1, 0.5, 1e-3, 1.0, 812.0, 0.1, 3.9, 0, load)),
                options.calls,
            ),
        ]
    Report(
        name="telemetry",
        title="a call of telemetry",
        measurements=tuple(measurements),
        machine=this_machine(("seizurekit", "torch", "tensorboard", "wandb")),
        parameters={"calls": options.calls, "wandb": options.wandb},
    ).write(options)


if __name__ == "__main__":
    main()
