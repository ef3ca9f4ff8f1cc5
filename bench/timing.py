"""Medians of calls on the CPU, or on a GPU so many at a time that launching them does not count."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from bench.measure import time_in_turn


def medians(
    calls: Mapping[str, Callable[[], object]], rounds: int, device: torch.device, repeats: int = 50
) -> dict[str, float]:
    """Seconds a call of each, taken in turn; `repeats` is the number of calls timed at once on a GPU."""
    if device.type != "cuda":
        return {name: timing.median for name, timing in time_in_turn(calls, rounds).items()}

    def repeated(call: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            torch.cuda.synchronize(device)
            for _ in range(repeats):
                call()
            torch.cuda.synchronize(device)

        return run

    timings = time_in_turn({name: repeated(call) for name, call in calls.items()}, rounds)
    return {name: timing.median / repeats for name, timing in timings.items()}
