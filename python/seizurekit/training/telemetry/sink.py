"""What every place that records go to is able to do."""

from __future__ import annotations

from typing import Protocol

from seizurekit.training.telemetry.records import Record


class Sink(Protocol):
    """A place that records go to. It may fail: that is told once and never stops a run, see `Telemetry`.

    Attributes:
        name: of it, in the line that tells of a failure.
        lasting: whether it is tried again with the next record after it failed, or done without.
    """

    name: str
    lasting: bool

    def write(self, record: Record) -> None:
        """Takes a record; one that means nothing here is left alone."""

    def close(self) -> None:
        """Finishes what was written."""
