"""Whether training waits for its data, and the likely reason, said once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

MINUTE_S = 60.0
"""Of training, over which the share is taken."""
SHARE = 0.10
"""Of the time, above which waiting is worth a line."""
_FEW_WORKERS = 2


@dataclass(frozen=True)
class LoaderFacts:
    """What is known of the way that batches come.

    Attributes:
        remote: the store is at a URL.
        local_dir: shards of it are kept on a local disk (``cache.local_dir``).
        kind: ``loader.kind``.
        shuffle: ``loader.shuffle``.
        num_workers: ``loader.num_workers``.
        processors: that this process may use.
        workers_ended: whether torch's workers had to be ended; asked only when a reason is wanted.
    """

    remote: bool
    local_dir: bool
    kind: str = "threads"
    shuffle: str = "window"
    num_workers: int = 0
    processors: int = 1
    workers_ended: Callable[[], bool] = lambda: False


class Waiting:
    """Sums up waiting and computing, and warns once when more than a tenth of a minute's training went into waiting."""

    def __init__(
        self,
        facts: LoaderFacts,
        say: Callable[[str], None],
        *,
        after_s: float = MINUTE_S,
        load: Callable[[], float] = lambda: os.getloadavg()[0],
    ) -> None:
        """Says nothing yet.

        Args:
            facts: of the loader.
            say: shows the line.
            after_s: seconds of training that are looked at together.
            load: processes that want a processor, over the last minute.
        """
        self._facts = facts
        self._say = say
        self._after_s = after_s
        self._load = load
        self._wait_s = self._compute_s = 0.0
        self._told = False

    def add(self, wait_s: float, compute_s: float) -> None:
        """One more batch: seconds waited for its data, and seconds for the rest."""
        self._wait_s += wait_s
        self._compute_s += compute_s
        together = self._wait_s + self._compute_s
        if self._told or together < self._after_s:
            return
        share = self._wait_s / together
        self._wait_s = self._compute_s = 0.0
        if share > SHARE:
            self._told = True
            reason = likely_reason(self._facts, self._load())
            self._say(f"{share:.0%} of the last {together:.0f} s went into waiting for data: {reason}")


def likely_reason(facts: LoaderFacts, load: float) -> str:
    """Why batches come too slowly, most telling first, and what helps.

    Args:
        facts: of the loader.
        load: processes that want a processor.
    """
    if facts.kind == "torch" and facts.workers_ended():
        return (
            "torch's workers were ended, and batches are read in the training process; loader.kind=threads needs none"
        )
    if facts.remote and not facts.local_dir and facts.shuffle != "block":
        return "an object store is read directly: set cache.local_dir or loader.shuffle=block"
    if facts.remote and not facts.local_dir:
        return "an object store is read directly: set cache.local_dir, or raise loader.prefetch"
    if facts.kind == "torch" and facts.num_workers < _FEW_WORKERS:
        return f"loader.num_workers is {facts.num_workers}: raise it, or set loader.kind=threads"
    if load > 1.5 * facts.processors + 1.0:
        return f"other programs use this machine: a load of {load:.1f} on {facts.processors} processors"
    if facts.processors <= 2:
        count = "one processor" if facts.processors == 1 else f"{facts.processors} processors"
        return f"{count} both to read and to train: use a machine with more"
    if facts.remote:
        return "shards are still being fetched into cache.local_dir: it gets faster when they are there"
    return "the disk is too slow for it: put the store on a local SSD, or raise loader.prefetch"
