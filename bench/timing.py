"""Timing of several contenders in one process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping


def time_alternately(
    contenders: Mapping[str, Callable[[], object]], rounds: int, before: Callable[[], object] | None = None
) -> dict[str, tuple[float, ...]]:
    """Wall-clock seconds per call, by contender, one value per round.

    Every contender is called once without timing. Each round then times all of them and starts with the next one, so
    that none always runs first. The garbage collector runs between the timed calls, not during them.

    Args:
        contenders: calls to time, by name.
        rounds: timed calls of each.
        before: called before every timed call, for example to read a file into the page cache.
    """
    names = list(contenders)
    for name in names:
        contenders[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    was_enabled = gc.isenabled()
    try:
        for index in range(rounds):
            shift = index % len(names)
            for name in names[shift:] + names[:shift]:
                if before is not None:
                    before()
                gc.collect()
                gc.disable()
                start = time.perf_counter()
                result = contenders[name]()
                seconds[name].append(time.perf_counter() - start)
                del result
                if was_enabled:
                    gc.enable()
    finally:
        if was_enabled:
            gc.enable()
    return {name: tuple(values) for name, values in seconds.items()}
