"""TensorBoard event files in ``runs/<name>/tb``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seizurekit.training.telemetry.records import Ended, Record, Started, scalars

_FLUSH_SECONDS = 20
_QUEUE = 1000
"""Number of records that may wait for a slow disk before training waits too."""
EVENT_FILES = "events.out.tfevents.*"
"""Pattern of the names of event files."""


class TensorboardSink:
    """Writes the metrics of every record by step, and the configuration as text.

    Args:
        folder: folder of the run's event files. Those of an earlier run are removed unless this run resumes it.
        resumed_step: step of the training state from which the run resumes; TensorBoard replaces what came after it.

    Raises:
        ImportError: tensorboard is not installed.
        OSError: the folder cannot be written.
    """

    name = "TensorBoard"
    retries = False

    def __init__(self, folder: Path, resumed_step: int | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        if resumed_step is None:
            for old in folder.glob(EVENT_FILES):
                old.unlink()
        purge = None if resumed_step is None else resumed_step + 1
        self._writer: Any = SummaryWriter(str(folder), purge_step=purge, max_queue=_QUEUE, flush_secs=_FLUSH_SECONDS)

    def write(self, record: Record) -> None:
        """Adds the metrics of a record.

        Raises:
            OSError: an earlier record could not be written.
        """
        if isinstance(record, Started):
            step = record.resumed_step or 0
            self._writer.add_text("config", _as_code(record.config), step)
            self._writer.add_text("facts", _as_code(record.facts), step)
        elif isinstance(record, Ended):
            self._writer.flush()
        elif metrics := scalars(record):
            self._add(metrics, record.step)  # type: ignore[union-attr]  # records with metrics have a step

    def close(self) -> None:
        """Writes the records that wait, and closes the file.

        Raises:
            OSError: they cannot be written.
        """
        self._writer.close()

    def _add(self, metrics: dict[str, float], step: int) -> None:
        # One event for all metrics: add_scalar writes one per metric, which takes ten times as long.
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        self._writer.file_writer.add_summary(Summary(value=values), step)


def _as_code(values: Mapping[str, object]) -> str:
    """JSON text, indented by four so that Markdown shows it as code."""
    text = json.dumps(values, indent=2)
    return "\n".join(f"    {line}" for line in text.splitlines())
