"""Timing of calls on the CPU or on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from bench.timing import time_alternately


def time_on_device(
    calls: Mapping[str, Callable[[], object]], rounds: int, device: torch.device, repeats: int = 50
) -> dict[str, tuple[float, ...]]:
    """Seconds per call, by contender, one value per round.

    On a GPU each value is the mean of `repeats` calls between two synchronizations, so that launch overhead of a single
    call does not count.
    """
    if device.type != "cuda":
        return time_alternately(calls, rounds)

    def repeat(call: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            torch.cuda.synchronize(device)
            for _ in range(repeats):
                call()
            torch.cuda.synchronize(device)

        return run

    seconds = time_alternately({name: repeat(call) for name, call in calls.items()}, rounds)
    return {name: tuple(value / repeats for value in values) for name, values in seconds.items()}
