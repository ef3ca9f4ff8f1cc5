"""Writes seizures as a ``.csv_bi`` file, the format of TUSZ and of the NEDC scorer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

from seizurekit.atomic import write_atomic
from seizurekit.recordings.annotations import COLUMNS, SEIZURE_LABELS, Event

MONTAGE_FILE = "$NEDC_NFC/lib/nedc_eas_default_montage.txt"
"""Montage file named in TUSZ's files. Readers expect the line; none opens the file."""


def write_csv_bi(path: str | PathLike[str], events: Iterable[Event], duration: float) -> None:
    """Writes the seizures of a recording, and the background between them.

    Times are rounded to 0.1 ms. Every seizure is written as ``TERM`` and ``seiz``, whatever its type. The file is
    written completely or not at all.

    Args:
        path: file to write; an existing file is replaced.
        events: seizures in any order, with labels from `SEIZURE_LABELS`, within the recording and without overlap.
        duration: duration of the recording in seconds, above 0.

    Raises:
        ValueError: an event or the duration does not meet these conditions.
        OSError: the file cannot be written.
    """
    path = Path(path)
    rows = _rows(sorted(events, key=lambda event: event.start), round(duration, 4))
    text = "\n".join([*_header(path, duration), *rows, ""])
    write_atomic(path, text.encode())


def _header(path: Path, duration: float) -> Iterator[str]:
    yield "# version = csv_v1.0.0"
    yield f"# bname = {path.stem}"
    yield f"# duration = {duration:.4f} secs"
    yield f"# montage_file = {MONTAGE_FILE}"
    yield "#"
    yield ",".join(COLUMNS)


def _rows(seizures: Iterable[Event], duration: float) -> Iterator[str]:
    if not 0 < duration < float("inf"):
        raise ValueError(f"duration is {duration}, expected seconds above 0")
    end = 0.0
    for event in seizures:
        start, stop = round(event.start, 4) or 0.0, round(event.stop, 4)  # `or` replaces -0.0
        if event.label not in SEIZURE_LABELS:
            raise ValueError(f"label is {event.label!r}, expected one of {', '.join(sorted(SEIZURE_LABELS))}")
        if not end <= start < stop <= duration:
            raise ValueError(f"seizure is {start:.4f} to {stop:.4f} s, expected within {end:.4f} to {duration:.4f} s")
        if end < start:
            yield _row(end, start, "bckg", 1.0)
        yield _row(start, stop, "seiz", event.confidence)
        end = stop
    if end < duration:
        yield _row(end, duration, "bckg", 1.0)


def _row(start: float, stop: float, label: str, confidence: float) -> str:
    return f"TERM,{start:.4f},{stop:.4f},{label},{confidence:.4f}"
