"""A warning if training waits for its data, with the likely reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from seizurekit.training.telemetry.processors import cpus

MINUTE_S = 60.0
"""Seconds of training over which the fraction of waiting is computed."""
MAX_FRACTION = 0.10
"""Fraction of the time above which waiting is reported."""
_FEW_WORKERS = 2


@dataclass(frozen=True)
class LoaderFacts:
    """Facts about a loader that explain why it is slow.

    Attributes:
        remote: whether the store is at a URL.
        local_dir: whether shards are kept on a local disk (``cache.local_dir``).
        kind: ``loader.kind``.
        shuffle: ``loader.shuffle``.
        num_workers: ``loader.num_workers``.
        processors: number of CPUs that this process may use.
        workers_terminated: returns whether the DataLoader workers had to be terminated.
    """

    remote: bool
    local_dir: bool
    kind: str = "threads"
    shuffle: str = "window"
    num_workers: int = 0
    processors: int = 1
    workers_terminated: Callable[[], bool] = lambda: False


class Waiting:
    """Adds up waiting and computing, and warns once if waiting takes more than 10 % of a minute of training.

    Args:
        facts: facts about the loader.
        report: shows the warning.
        after_s: seconds of training that are added up.
        load: returns the mean number of processes that ran or waited for a processor over the last minute.
    """

    def __init__(
        self,
        facts: LoaderFacts,
        report: Callable[[str], None],
        *,
        after_s: float = MINUTE_S,
        load: Callable[[], float] = lambda: os.getloadavg()[0],
    ) -> None:
        self._facts = facts
        self._report = report
        self._after_s = after_s
        self._load = load
        self._wait_s = self._compute_s = 0.0
        self._warned = False

    def add(self, wait_s: float, compute_s: float) -> None:
        """Adds a batch: seconds spent waiting for its data, and the remaining seconds."""
        self._wait_s += wait_s
        self._compute_s += compute_s
        together = self._wait_s + self._compute_s
        if self._warned or together < self._after_s:
            return
        fraction = self._wait_s / together
        self._wait_s = self._compute_s = 0.0
        if fraction > MAX_FRACTION:
            self._warned = True
            reason = likely_reason(self._facts, self._load())
            self._report(f"waiting for data took {100 * fraction:.0f} % of the last {together:.0f} s: {reason}")


def likely_reason(facts: LoaderFacts, load: float) -> str:
    """The most likely reason why batches are slow, and its remedy.

    Args:
        facts: facts about the loader.
        load: number of processes that need a CPU.
    """
    if facts.kind == "torch" and facts.workers_terminated():
        return (
            "the DataLoader workers were terminated, and the training process reads the batches; set "
            "loader.kind=threads, which needs no workers"
        )
    if facts.remote and not facts.local_dir and facts.shuffle != "block":
        return "the store is read from an object store; set cache.local_dir or loader.shuffle=block"
    if facts.remote and not facts.local_dir:
        return "the store is read from an object store; set cache.local_dir, or raise loader.prefetch"
    if facts.kind == "torch" and facts.num_workers < _FEW_WORKERS:
        return f"loader.num_workers is {facts.num_workers}; raise it, or set loader.kind=threads"
    if load > 1.5 * facts.processors + 1.0:
        return f"other programs use this machine: the load is {load:.1f} on {cpus(facts.processors)}"
    if facts.processors <= 2:
        return f"{cpus(facts.processors)} must both read and train; use a machine with more"
    if facts.remote:
        return "shards are still being copied to cache.local_dir; reading gets faster when they are complete"
    return "the disk is too slow; put the store on a local SSD, or raise loader.prefetch"
