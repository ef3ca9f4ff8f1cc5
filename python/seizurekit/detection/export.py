"""Writes detected events: ``.tsv`` (SzCORE and BIDS), ``.csv_bi`` (TUSZ and NEDC), ``.json`` or ``.edf`` (EDF+)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path

from seizurekit.atomic import write_atomic
from seizurekit.errors import OutputError
from seizurekit.recordings.annotations import Event
from seizurekit.recordings.annotations_write import write_csv_bi

TSV_COLUMNS = ("onset", "duration", "eventType", "confidence", "channels", "dateTime", "recordingDuration")


@dataclass(frozen=True)
class Detection:
    """Detected events of one recording.

    Attributes:
        recording: name of the recording.
        duration: duration of the recording in seconds.
        start_time: start of the recording; None if its file gives none.
        threshold: threshold of the seizure probability.
        events: events within the recording, sorted by time, without overlap.
    """

    recording: str
    duration: float
    start_time: datetime | None
    threshold: float
    events: tuple[Event, ...]


def write_detection(path: str | PathLike[str], detection: Detection) -> None:
    """Writes events in the format of the suffix of `path`, completely or not at all.

    Raises:
        OutputError: the suffix is unknown; see `check_suffix`.
        OSError: the file cannot be written.
    """
    path = Path(path)
    check_suffix(path)
    _WRITERS[path.suffix.lower()](path, detection)


def check_suffix(path: Path) -> None:
    """Checks that events can be written to `path`.

    Raises:
        OutputError: the suffix is unknown; the message lists the known ones.
    """
    if path.suffix.lower() not in _WRITERS:
        raise OutputError(f"{path}: suffix is {path.suffix!r}, expected one of {', '.join(_WRITERS)}")


def _write_tsv(path: Path, detection: Detection) -> None:
    """Without events, the file has one row ``bckg`` for the whole recording."""
    when = detection.start_time.strftime("%Y-%m-%d %H:%M:%S") if detection.start_time else "n/a"
    rows: Sequence[tuple[float, float, str, str]] = [
        (event.start, event.stop - event.start, "sz", f"{event.confidence:.4f}") for event in detection.events
    ] or [(0.0, detection.duration, "bckg", "n/a")]
    lines = ["\t".join(TSV_COLUMNS)]
    for onset, duration, kind, confidence in rows:
        fields = (f"{onset:.4f}", f"{duration:.4f}", kind, confidence, "n/a", when, f"{detection.duration:.4f}")
        lines.append("\t".join(fields))
    write_atomic(path, ("\n".join(lines) + "\n").encode())


def _write_csv_bi(path: Path, detection: Detection) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv_bi(path, detection.events, detection.duration)


def _write_json(path: Path, detection: Detection) -> None:
    content = {
        "recording": detection.recording,
        "duration": detection.duration,
        "start_time": detection.start_time.isoformat() if detection.start_time else None,
        "threshold": detection.threshold,
        "events": [
            {"start": event.start, "stop": event.stop, "label": event.label, "confidence": event.confidence}
            for event in detection.events
        ],
    }
    write_atomic(path, (json.dumps(content, indent=2) + "\n").encode())


def _write_edf(path: Path, detection: Detection) -> None:
    """An EDF+ file with annotations and no signals, for EDF viewers. Without events, it has one annotation ``bckg``."""
    import edfio

    annotations = [edfio.EdfAnnotation(event.start, event.stop - event.start, "seizure") for event in detection.events]
    annotations = annotations or [edfio.EdfAnnotation(0.0, detection.duration, "bckg")]
    start = detection.start_time
    if start is not None and not 1985 <= start.year <= 2084:  # EDF has years of two digits
        start = None
    edf = edfio.Edf(
        [],
        recording=edfio.Recording(startdate=start.date() if start else None),
        starttime=start.time() if start else None,
        annotations=annotations,
    )
    content = io.BytesIO()
    edf.write(content)
    write_atomic(path, content.getvalue())


_WRITERS: dict[str, Callable[[Path, Detection], None]] = {
    ".tsv": _write_tsv,
    ".csv_bi": _write_csv_bi,
    ".json": _write_json,
    ".edf": _write_edf,
}
