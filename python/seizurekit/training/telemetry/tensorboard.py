"""TensorBoard: ``runs/<name>/tb``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seizurekit.training.telemetry.records import Ended, Record, Started, scalars

_FLUSH_SECONDS = 20
_QUEUE = 1000
"""Records that wait for a slow disk before training does."""
EVENT_FILES = "events.out.tfevents.*"
"""What TensorBoard's files are called."""


class TensorboardSink:
    """Writes the figures of every record against its step, and the configuration as text."""

    name = "TensorBoard"
    lasting = False

    def __init__(self, folder: Path, resumed_step: int | None = None) -> None:
        """Opens a file of events.

        Args:
            folder: of all the run's files of events; those of an earlier run are removed unless this one continues it.
            resumed_step: done when the training state was saved; what came after it is written again and shown once.

        Raises:
            ImportError: there is no tensorboard.
            OSError: the folder cannot be written.
        """
        from torch.utils.tensorboard import SummaryWriter

        if resumed_step is None:
            for old in folder.glob(EVENT_FILES):
                old.unlink()
        purge = None if resumed_step is None else resumed_step + 1
        self._writer: Any = SummaryWriter(str(folder), purge_step=purge, max_queue=_QUEUE, flush_secs=_FLUSH_SECONDS)

    def write(self, record: Record) -> None:
        """Adds the record's figures.

        Raises:
            OSError: the disk refused what was written before.
        """
        if isinstance(record, Started):
            step = record.resumed_step or 0
            self._writer.add_text("config", _as_code(record.config), step)
            self._writer.add_text("facts", _as_code(record.facts), step)
        elif isinstance(record, Ended):
            self._writer.flush()
        elif figures := scalars(record):
            self._add(figures, record.step)  # type: ignore[union-attr]  # those with figures have a step

    def close(self) -> None:
        """Writes what waits.

        Raises:
            OSError: the disk refuses.
        """
        self._writer.close()

    def _add(self, figures: dict[str, float], step: int) -> None:
        # One event for all of them: add_scalar would make one each, ten times the work.
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
        self._writer.file_writer.add_summary(Summary(value=values), step)


def _as_code(values: Mapping[str, object]) -> str:
    """As Markdown shows it unchanged: indented by four."""
    text = json.dumps(values, indent=2)
    return "\n".join(f"    {line}" for line in text.splitlines())
