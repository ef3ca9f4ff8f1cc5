"""``metrics.jsonl``: every record, one per line. The other sinks have nothing that this file does not have."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from seizurekit.json_files import without_nan
from seizurekit.training.telemetry.records import Ended, Notice, Record, Saved, Started, Trained, Validated, scalars

_JSON = json.JSONEncoder(allow_nan=False)
_MAX_WAITING = 10_000
"""Number of lines that wait in memory while the file cannot be written: some megabytes, and hours of training."""


class JsonlSink:
    """Writes the file. Lines that do not fit on a full disk wait in memory until there is space.

    Each line goes to the operating system at once, without a buffer and without fsync: a killed process loses no line,
    and a line takes microseconds. The constructor opens nothing; the first record or `cut` does.

    Args:
        path: the file; its folder is created.
        keep: number of bytes of an earlier run to keep; None for a new file.
        step: last step of the run that this one resumes.
    """

    name = "metrics.jsonl"
    retries = True

    def __init__(self, path: Path, keep: int | None = None, step: int = 0) -> None:
        self._path = path
        self._keep = keep
        self._file: int | None = None
        self._bytes = keep or 0
        self._step = step
        self._waiting: list[bytes] = []
        self._dropped = 0

    def cut(self) -> str | None:
        """Opens the file and truncates it to the bytes to keep. Returns a warning if some of them are missing.

        Raises:
            OSError: the file cannot be opened or cut.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            size = os.fstat(file).st_size
            kept = _complete_lines(file, min(size, self._keep or 0))
            os.ftruncate(file, kept)
        except BaseException:
            os.close(file)
            raise
        self._file, self._bytes = file, kept
        if self._keep is None or kept == self._keep:
            return None
        return (
            f"{self._path}: size is {size} bytes, expected at least {self._keep} as when the training state was saved; "
            f"continuing after {kept} bytes of complete lines"
        )

    @property
    def bytes(self) -> int:
        """Size of the file in bytes, all of them complete lines."""
        return self._bytes

    def sync(self) -> None:
        """Makes the written lines durable.

        Raises:
            OSError: fsync fails.
        """
        if self._file is not None:
            os.fsync(self._file)

    def write(self, record: Record) -> None:
        """Writes a line, and the lines that wait.

        Raises:
            OSError: the file cannot be written; the line waits for the next call.
        """
        if not isinstance(record, Started | Notice):
            self._step = record.step
        self._waiting.append(_line(self._values(record)))
        if len(self._waiting) > _MAX_WAITING:
            del self._waiting[0]
            self._dropped += 1
        if self._file is None:
            self.cut()
        assert self._file is not None
        content = b"".join(self._waiting)
        written = os.write(self._file, content)
        if written < len(content):  # the disk is full: do not leave part of a line
            os.ftruncate(self._file, self._bytes)
            raise OSError(f"{self._path}: wrote {written} of {len(content)} bytes, the disk is full")
        self._bytes += written
        self._waiting.clear()
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self.write(Notice(f"{dropped} earlier records could not be written to this file", warning=True))

    def close(self) -> None:
        """Closes the file, after a last attempt to write the lines that wait.

        Raises:
            OSError: they could not be written.
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
                run = {"name": record.name, "steps": record.steps, "resumed_step": record.resumed_step}
                values["step"] = record.resumed_step or 0
                return {**values, "kind": "started", **run, "facts": record.facts, "config": record.config}


def _line(values: dict[str, Any]) -> bytes:
    try:
        text = _JSON.encode(values)
    except ValueError:  # a NaN; checking every line for one would double its cost
        text = _JSON.encode(without_nan(values))
    return f"{text}\n".encode()


def _complete_lines(file: int, size: int) -> int:
    """Number of bytes, of the first `size`, in complete lines: a killed process may have left part of a line."""
    end = size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
