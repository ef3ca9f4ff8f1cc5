"""Seizure annotations: TUSZ's ``.csv_bi`` (a row an event) and ``.csv`` (a row an event and bipolar channel)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from seizurekit.errors import AnnotationError

SEIZURE_LABELS = frozenset({"seiz", "gnsz", "fnsz", "cpsz", "absz", "spsz", "tcsz", "tnsz", "mysz"})
"""TUSZ's seizure labels; ``seiz`` is the only one in ``.csv_bi``."""

KNOWN_LABELS = SEIZURE_LABELS | {
    "bckg", "nesz", "cnsz", "atsz", "spsw", "gped", "pled", "eybl", "artf", "eyem", "chew", "shiv", "musc", "elpp",
    "elst", "calb", "hphs", "trip", "elec", "eyem_musc", "musc_elec", "eyem_elec", "eyem_chew", "chew_elec", "slow",
}  # fmt: skip
"""Labels of the TUH corpora's annotation guidelines; others are kept, with a message."""

COLUMNS = ("channel", "start_time", "stop_time", "label", "confidence")
_LARGEST_FILE = 64 << 20
_MOST_MESSAGES = 20


@dataclass(frozen=True)
class Event:
    """An annotated stretch: start and stop in seconds from the recording's start, label, channel, confidence."""

    start: float
    stop: float
    label: str
    channel: str = "TERM"
    confidence: float = 1.0


@dataclass(frozen=True)
class Annotations:
    """The annotations of one recording.

    Attributes:
        path: the file they were read from.
        duration: seconds, as the file's ``# duration`` line gives it; None where it has none.
        events: sorted by start, then by channel.
        messages: what was mended, clipped, dropped or is unusual, one sentence each.
    """

    path: Path
    duration: float | None
    events: tuple[Event, ...]
    messages: tuple[str, ...] = ()

    def seizures(self, labels: Collection[str] = SEIZURE_LABELS) -> tuple[Event, ...]:
        """The recording's seizures: events of the given labels, those that overlap or touch united, sorted.

        A ``.csv`` has a row a channel, so its seizures are unions over channels. A united event has the label of its first
        part and the largest confidence.
        """
        united: list[Event] = []
        for event in self.events:
            if event.label not in labels:
                continue
            if united and event.start <= united[-1].stop:
                last = united[-1]
                confidence = max(last.confidence, event.confidence)
                united[-1] = replace(last, stop=max(last.stop, event.stop), confidence=confidence)
            else:
                united.append(replace(event, channel="TERM"))
        return tuple(united)

    def clipped(self, duration: float) -> Annotations:
        """The same for a signal of `duration` seconds: events end with it, those that begin after it are dropped."""
        events, messages = _clip(self.events, duration, "the signal")
        return replace(self, events=events, messages=self.messages + messages)


def read_annotations(path: str | PathLike[str]) -> Annotations:
    """Reads a ``.csv_bi`` or ``.csv`` file of TUSZ.

    The rules for what is not as it should be; each leaves a message:

    - lines that begin with ``#`` may stand anywhere; ``# duration = 601.00 secs`` is the one that is used;
    - columns may come in any order; without a header row TUSZ's order is taken; ``channel`` may be missing (``TERM``), and
      so may ``confidence`` (1.0); blank lines, blanks around fields, CRLF and a byte-order mark do not matter;
    - an unknown label is kept; it counts as no seizure unless it is among the labels asked for;
    - an event beyond the duration is clipped to it, one that starts at or after it is dropped, a start before 0 becomes 0;
    - an event of no length is dropped, as is an exact repetition of a row.

    Raises:
        AnnotationError: a time, stop before start, or confidence that cannot be meant, or a file that is not such a table;
            the message names file, line, column, value found and value wanted.
        OSError: the file cannot be read.
    """
    path = Path(path)
    rows = _table(path, _decoded(path))
    duration, messages = None, []
    events: list[Event] = []
    columns: Sequence[str] | None = None
    for line, fields in rows:
        if fields[0].startswith("#"):
            duration = _duration(path, line, ",".join(fields), duration)
            continue
        if columns is None:
            columns = _columns(path, line, fields)
            if columns is not COLUMNS:
                continue
            messages.append(f"{path}: no header row; columns taken as {', '.join(COLUMNS)}")
        events.append(_event(path, line, dict(zip(columns, fields, strict=False)), columns, len(fields)))
    if columns is None:
        raise AnnotationError(f"{path}: no row of annotations: found only comments or nothing, wanted {','.join(COLUMNS)}")
    kept, said = _mended(events)
    messages += said
    if duration is None:
        messages.append("no '# duration' line")
    else:
        kept, said = _clip(kept, duration, "the annotated duration")
        messages += said
    return Annotations(path, duration, tuple(sorted(kept, key=lambda e: (e.start, e.stop, e.channel))), tuple(messages))


def _decoded(path: Path) -> str:
    size = path.stat().st_size
    if size > _LARGEST_FILE:
        raise AnnotationError(f"{path}: found {size} bytes, wanted an annotation file of at most {_LARGEST_FILE}")
    data = path.read_bytes()
    if not data.strip():
        raise AnnotationError(f"{path}: found an empty file, wanted annotations")
    if b"\0" in data:
        raise AnnotationError(f"{path}: found a NUL at byte {data.index(0)}, wanted text in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = data[error.start : error.start + 1].hex()
        raise AnnotationError(f"{path}: found byte 0x{found} at byte {error.start}, wanted text in UTF-8") from None


def _table(path: Path, text: str) -> Iterable[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        for row in reader:
            fields = [field.strip() for field in row]
            if any(fields):
                yield reader.line_num, fields
    except csv.Error as error:
        raise AnnotationError(f"{path}: line {reader.line_num}: {error}, wanted fields separated by commas") from None


def _duration(path: Path, line: int, comment: str, known: float | None) -> float | None:
    name, _, value = comment.lstrip("# ").partition("=")
    if name.strip().lower() != "duration":
        return known
    number, *unit = value.split() or [""]
    seconds = _number(number)
    if seconds is None or seconds < 0 or (unit and unit[0].lower() not in {"s", "sec", "secs", "second", "seconds"}):
        raise AnnotationError(
            f"{path}: line {line}: duration: found {value.strip()!r}, wanted seconds such as '601.00 secs'"
        )
    return seconds


def _columns(path: Path, line: int, fields: Sequence[str]) -> Sequence[str]:
    names = [field.lower() for field in fields]
    if "start_time" in names and "stop_time" in names and "label" in names:
        return names
    if len(fields) >= len(COLUMNS) - 1 and _number(fields[1]) is not None and _number(fields[2]) is not None:
        return COLUMNS
    raise AnnotationError(f"{path}: line {line}: header: found {','.join(fields)!r:.200}, wanted {','.join(COLUMNS)!r}")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _event(path: Path, line: int, row: dict[str, str], columns: Sequence[str], found: int) -> Event:
    def number(column: str, lowest: float, wanted: str) -> float:
        value = _number(row[column])
        if value is None or value < lowest:
            raise AnnotationError(f"{path}: line {line}: {column}: found {row[column]!r}, wanted {wanted}")
        return value

    needed = [name for name in ("start_time", "stop_time", "label") if name not in row]
    if needed:
        raise AnnotationError(f"{path}: line {line}: found {found} fields, wanted {len(columns)}: {','.join(columns)}")
    if not row["label"]:
        raise AnnotationError(f"{path}: line {line}: label: found nothing, wanted one such as 'seiz' or 'bckg'")
    start = number("start_time", -math.inf, "seconds")
    stop = number("stop_time", start, f"seconds not before start_time {row['start_time']}")
    confidence = number("confidence", 0.0, "a number of at least 0") if row.get("confidence") else 1.0
    return Event(start, stop, row["label"].lower(), row.get("channel") or "TERM", confidence)


def _mended(events: Sequence[Event]) -> tuple[list[Event], list[str]]:
    messages = []
    kept: dict[Event, None] = {}
    for event in events:
        if event in kept:
            messages.append(f"repeated row dropped: {_shown(event)}")
            continue
        if event.label not in KNOWN_LABELS:
            messages.append(f"unknown label kept: {_shown(event)}")
        if event.start < 0 < event.stop:
            messages.append(f"start before 0 set to 0: {_shown(event)}")
            event = replace(event, start=0.0)
        if event.stop <= max(event.start, 0.0):
            messages.append(f"event of no length dropped: {_shown(event)}")
            continue
        kept[event] = None
    return list(kept), _at_most(messages)


def _clip(events: Sequence[Event], duration: float, what: str) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    late = [event for event in events if event.stop > duration]
    if not late:
        return tuple(events), ()
    messages = [
        f"event beyond {what} ({duration:g} s) {'dropped' if event.start >= duration else 'clipped'}: {_shown(event)}"
        for event in late
    ]
    kept = (replace(event, stop=min(event.stop, duration)) for event in events if event.start < duration)
    return tuple(kept), tuple(_at_most(messages))


def _at_most(messages: list[str]) -> list[str]:
    rest = len(messages) - _MOST_MESSAGES
    return messages if rest <= 0 else [*messages[:_MOST_MESSAGES], f"and {rest} more of this kind"]


def _shown(event: Event) -> str:
    return f"{event.label} {event.channel} {event.start:.4f} to {event.stop:.4f} s"
