"""The interface of every destination of records."""

from __future__ import annotations

from typing import Protocol

from seizurekit.training.telemetry.records import Record


class Sink(Protocol):
    """A destination of records. A failure is reported once and never stops a run, see `Telemetry`.

    Attributes:
        name: name of the sink in messages.
        retries: whether the sink is tried again with the next record after a failure, or else dropped.
    """

    name: str
    retries: bool

    def write(self, record: Record) -> None:
        """Writes a record, or ignores it if it does not concern this sink."""

    def close(self) -> None:
        """Flushes and closes the sink."""
