"""``metrics.jsonl``, a line a record: the truth, from which every other sink could be filled."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from seizurekit.json_files import without_nan
from seizurekit.training.telemetry.records import Ended, Notice, Record, Saved, Started, Trained, Validated, scalars

_JSON = json.JSONEncoder(allow_nan=False)
_MOST_KEPT = 10_000
"""Lines kept in memory while the file cannot be written; some megabytes, and hours of training."""


class JsonlSink:
    """Writes the file; what a full disk refuses is kept and written when there is room.

    Each line goes to the system at once, with no buffer of ours and no fsync: a killed process loses nothing, and a
    line costs microseconds.
    """

    name = "metrics.jsonl"
    lasting = True

    def __init__(self, path: Path, keep: int | None = None, step: int = 0) -> None:
        """Opens nothing yet: that may fail, and is tried with each record.

        Args:
            path: the file; its folder is made.
            keep: bytes that an earlier run wrote and that stand; None for a new file.
            step: steps of the optimiser done before.
        """
        self._path = path
        self._keep = keep
        self._file: int | None = None
        self._bytes = keep or 0
        self._step = step
        self._waiting: list[bytes] = []
        self._left_out = 0

    def cut(self) -> str | None:
        """Opens the file and cuts off what was written after the kept bytes; a line if they are not all there.

        Raises:
            OSError: the file cannot be opened or cut.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            found = os.fstat(file).st_size
            stands = _whole_lines(file, min(found, self._keep or 0))
            os.ftruncate(file, stands)
        except BaseException:
            os.close(file)
            raise
        self._file, self._bytes = file, stands
        if self._keep is None or stands == self._keep:
            return None
        return (
            f"{self._path}: found {found} bytes, wanted the {self._keep} of when the training state was saved; "
            f"going on after the {stands} that are whole lines"
        )

    @property
    def bytes(self) -> int:
        """Of the file that stand, all of them whole lines."""
        return self._bytes

    def sync(self) -> None:
        """Makes durable what was written.

        Raises:
            OSError: the disk refuses.
        """
        if self._file is not None:
            os.fsync(self._file)

    def write(self, record: Record) -> None:
        """Writes a line, and those that waited.

        Raises:
            OSError: the file cannot be written; the line waits for the next call.
        """
        if not isinstance(record, Started | Notice):
            self._step = record.step
        self._waiting.append(_line(self._values(record)))
        if len(self._waiting) > _MOST_KEPT:
            del self._waiting[0]
            self._left_out += 1
        if self._file is None:
            self.cut()
        assert self._file is not None
        content = b"".join(self._waiting)
        written = os.write(self._file, content)
        if written < len(content):  # the disk is full: half a line must not stay
            os.ftruncate(self._file, self._bytes)
            raise OSError(f"{self._path}: found room for {written} bytes, wanted {len(content)}")
        self._bytes += written
        self._waiting.clear()
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            self.write(Notice(f"{left_out} records before this one could not be written here", warning=True))

    def close(self) -> None:
        """Closes the file, after a last try to write what waits.

        Raises:
            OSError: lines that waited could not be written.
        """
        file, self._file = self._file, None
        lost = f"{self._path}: the last {len(self._waiting)} lines could not be written"
        if file is None:
            if self._waiting:
                raise OSError(lost)
            return
        try:
            content = b"".join(self._waiting)
            if content and os.write(file, content) < len(content):
                os.ftruncate(file, self._bytes)
                raise OSError(lost)
        finally:
            os.close(file)

    def _values(self, record: Record) -> dict[str, Any]:
        values: dict[str, Any] = {"kind": "", "step": self._step, "time": round(time.time(), 3)}
        match record:
            case Trained():
                return {**values, "kind": "train", "epoch": record.epoch, **scalars(record)}
            case Validated():
                return {**values, "kind": "val", "epoch": record.epoch, "best": record.best, **scalars(record)}
            case Notice():
                return {**values, "kind": "notice", "warning": record.warning, "text": record.text}
            case Saved():
                return {**values, "kind": "saved", "path": record.path, "seconds": record.seconds}
            case Ended():
                return {**values, "kind": "ended", "reason": record.reason, "complete": record.complete}
            case Started():
                told = {"name": record.name, "steps": record.steps, "resumed_step": record.resumed_step}
                values["step"] = record.resumed_step or 0
                return {**values, "kind": "started", **told, "facts": record.facts, "config": record.config}


def _line(values: dict[str, Any]) -> bytes:
    try:
        text = _JSON.encode(values)
    except ValueError:  # a NaN; looking for one each time would double the cost of a line
        text = _JSON.encode(without_nan(values))
    return f"{text}\n".encode()


def _whole_lines(file: int, size: int) -> int:
    """Bytes of the first `size` up to the last line's end: a process that was killed may have left half a line."""
    end = size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
