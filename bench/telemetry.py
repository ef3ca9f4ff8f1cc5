"""What telemetry costs the training's thread: `alive` with each batch, `emit` with every tenth.

    python -m bench.telemetry [--wandb]

Medians, of calls one after the other, and of calls after a wait of 4 ms each, as for a loader's batch: the processor
has then forgotten what it needs, and most of the time goes into getting it back.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.measure import this_machine
from seizurekit.config import Config
from seizurekit.training.telemetry.records import GpuLoad, Trained
from seizurekit.training.telemetry.telemetry import Telemetry
from seizurekit.training.telemetry.wandb_check import WandbPlan

_STEP_S = 0.004
_CALLS = 300


def _microseconds(call: Callable[[int], None]) -> str:
    told = []
    for wait_s in (0.0, _STEP_S):
        found = []
        for number in range(_CALLS):
            if wait_s:
                time.sleep(wait_s)
            began = time.perf_counter()
            call(number)
            found.append((time.perf_counter() - began) * 1e6)
        told.append(statistics.median(found))
    return f"{told[0]:6.1f} µs in a row, {told[1]:6.1f} µs after a wait"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--wandb", action="store_true", help="with W&B too, offline")
    wanted = options.parse_args()
    os.environ["BGB_DISABLE_TQDM"] = "1"
    config = Config.model_validate({"name": "bench", "cache": {"dir": "none"}})
    plan = WandbPlan("offline", "bench") if wanted.wandb else None
    load = GpuLoad(93.0, 11.5)
    with tempfile.TemporaryDirectory() as folder:
        with Telemetry.opened(Path(folder), config, _CALLS, wandb=plan) as run:
            alive = _microseconds(lambda number: run.alive(f"training, batch {number}"))
            emit = _microseconds(lambda step: run.emit(Trained(step, 1, 0.5, 1e-3, 1.0, 812.0, 0.1, 3.9, 0, load)))
        print(this_machine(("torch", "tensorboard", "wandb")))
        print(f"alive: {alive}")
        print(f"emit:  {emit}; console, metrics.jsonl, TensorBoard{', W&B' if plan else ''}")


if __name__ == "__main__":
    main()
