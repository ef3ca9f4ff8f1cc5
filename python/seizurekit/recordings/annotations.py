"""Reads TUSZ annotations: ``.csv_bi`` (one row per event) and ``.csv`` (one row per event and bipolar channel)."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Literal

from seizurekit.errors import AnnotationError

SEIZURE_LABELS = frozenset({"seiz", "gnsz", "fnsz", "cpsz", "absz", "spsz", "tcsz", "tnsz", "mysz"})
"""TUSZ's seizure labels; ``seiz`` is the only one in ``.csv_bi``."""

KNOWN_LABELS = SEIZURE_LABELS | {
    "bckg", "nesz", "cnsz", "atsz", "spsw", "gped", "pled", "eybl", "artf", "eyem", "chew", "shiv", "musc", "elpp",
    "elst", "calb", "hphs", "trip", "elec", "eyem_musc", "musc_elec", "eyem_elec", "eyem_chew", "chew_elec", "slow",
}  # fmt: skip
"""Labels in the annotation guidelines of the TUH corpora; other labels are kept, with a message."""

COLUMNS = ("channel", "start_time", "stop_time", "label", "confidence")
"""Columns of TUSZ's files, in order."""

_REQUIRED = ("start_time", "stop_time", "label")
_MAX_FILE_BYTES = 64 << 20
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE)
_DURATION = re.compile(r"#[#\s]*duration\s*[=:](.*)", re.IGNORECASE)
_SECONDS = re.compile(rf"\s*({_NUMBER.pattern})\s*(?:s|secs?|seconds?)?", re.IGNORECASE)


@dataclass(frozen=True)
class Event:
    """An annotated event.

    Attributes:
        start: seconds from the start of the recording.
        stop: seconds from the start of the recording.
        label: event type, such as ``seiz``.
        channel: bipolar channel, or ``TERM`` for all channels.
        confidence: 0 to 1 in TUSZ's files.
    """

    start: float
    stop: float
    label: str
    channel: str = "TERM"
    confidence: float = 1.0


@dataclass(frozen=True)
class Annotations:
    """The annotations of one recording.

    Attributes:
        path: file they were read from.
        duration: seconds in the file's ``# duration`` line; None without this line.
        events: sorted by start, stop and channel.
        messages: what was clipped, dropped, assumed or is unusual, one sentence per kind.
        kind: ``"csv_bi"`` for one row per event, ``"csv"`` for one row per event and channel.
    """

    path: Path
    duration: float | None
    events: tuple[Event, ...]
    messages: tuple[str, ...] = ()
    kind: Literal["csv", "csv_bi"] = "csv_bi"

    def seizures(self, labels: Collection[str] = SEIZURE_LABELS) -> tuple[Event, ...]:
        """Seizures of the recording: events with the given labels, sorted, merged where they overlap or touch.

        A ``.csv`` file has one row per channel, so its events are merged over channels. A merged event has the label of
        its first part and the largest confidence.
        """
        merged: list[Event] = []
        for event in sorted((e for e in self.events if e.label in labels), key=_sort_key):
            if merged and event.start <= merged[-1].stop:
                last = merged[-1]
                confidence = max(last.confidence, event.confidence)
                merged[-1] = replace(last, stop=max(last.stop, event.stop), confidence=confidence)
            else:
                merged.append(replace(event, channel="TERM"))
        return tuple(merged)

    def clip(self, duration: float) -> Annotations:
        """Annotations for a signal of `duration` seconds: later ends are clipped, events after its end are dropped."""
        messages = _Messages()
        events = sorted(_clip_stops(self.events, duration, "the end of the signal", messages), key=_sort_key)
        return replace(self, events=tuple(events), messages=self.messages + messages.sentences())


def read_annotations(path: str | PathLike[str]) -> Annotations:
    """Reads a ``.csv_bi`` or ``.csv`` file of TUSZ.

    These differences are accepted without a message: CRLF, a byte-order mark, blank lines, spaces and quotes around
    fields, empty fields at the end of a row, any order of columns, further columns, capitals in labels, and ``#`` lines
    anywhere.

    These are accepted with a message:

    - no ``# duration`` line: the duration is None;
    - no header row: the columns are TUSZ's; a header without rows: there are no events;
    - no channel column or an empty channel: ``TERM``; no confidence: 1.0;
    - an unknown label: kept, and a seizure only if `Annotations.seizures` is called with it;
    - overlapping events of a channel: kept, `Annotations.seizures` merges them;
    - an event that starts before 0 or stops after the duration: clipped; an event outside the recording, an event
      without length and a repeated row: dropped.

    These are errors, because a guess could lose a seizure: a time that is not a finite number, a stop before its start,
    a row with too few or too many fields, an empty label, a confidence below 0, two different durations, a table
    without the columns start_time, stop_time and label, and anything that is not UTF-8 text.

    Raises:
        AnnotationError: the file is not valid; the message gives file, line, column, value and expected value.
        OSError: the file cannot be read.
    """
    path = Path(path)
    size = path.stat().st_size
    if size > _MAX_FILE_BYTES:
        raise AnnotationError(f"{path}: file size is {size} bytes, expected at most {_MAX_FILE_BYTES}")
    return parse_annotations(path.read_bytes(), path)


def parse_annotations(data: bytes, path: str | PathLike[str]) -> Annotations:
    """Parses the bytes of an annotation file; `path` is for messages, and its suffix gives the kind."""
    path = Path(path)
    messages = _Messages()
    duration: float | None = None
    columns: Sequence[str] | None = None
    events: list[Event] = []
    for line, text in enumerate(io.StringIO(_decode(path, data), newline=None), 1):
        if text.lstrip(' \t"').startswith("#"):
            duration = _parse_duration(path, line, text, duration)
            continue
        fields = _split(path, line, text)
        if not any(fields):
            continue
        if columns is None:
            columns = _parse_header(path, line, fields)
            if columns is not COLUMNS:
                continue
            messages.add(f"no header row, assuming {','.join(COLUMNS)}", f"line {line}")
        events += _clip_start(line, _parse_event(path, line, columns, fields), messages)
    if columns is None:
        raise AnnotationError(f"{path}: no table, expected a header row {','.join(COLUMNS)!r}")
    if not events:
        messages.add("no events in the table")
    events = _drop_repeated(events, messages)
    if duration is None:
        messages.add("no '# duration' line")
    else:
        events = _clip_stops(events, duration, "the duration", messages)
    events.sort(key=_sort_key)
    _report_overlaps(events, messages)
    kind: Literal["csv", "csv_bi"] = "csv" if path.suffix.lower() == ".csv" else "csv_bi"
    return Annotations(path, duration, tuple(events), messages.sentences(), kind)


class _Messages:
    """Messages grouped by kind, so that a thousand rows of one kind give one sentence."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}

    def add(self, kind: str, place: str = "") -> None:
        self._places.setdefault(kind, []).append(place)

    def sentences(self) -> tuple[str, ...]:
        return tuple(self._sentence(kind) for kind in self._places)

    def _sentence(self, kind: str) -> str:
        places = self._places[kind]
        more = [f"and {len(places) - 3} more"] if len(places) > 3 else []
        return f"{kind}: {'; '.join(places[:3] + more)}".removesuffix(": ")


def _line_error(path: Path, line: int, problem: str, expected: str) -> AnnotationError:
    return AnnotationError(f"{path}: line {line}: {problem}, expected {expected}")


def _quote(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")


def _quote_if_needed(text: str) -> str:
    return text if text.isprintable() and len(text) <= 80 else _quote(text)


def _decode(path: Path, data: bytes) -> str:
    if not data.strip():
        raise AnnotationError(f"{path}: file is empty, expected annotations")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise AnnotationError(f"{path}: text is UTF-16, expected UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{path}: byte {error.start} is 0x{data[error.start]:02x}, expected UTF-8 text") from None
    if "\0" in text:
        raise AnnotationError(f"{path}: byte {data.index(0)} is NUL, expected UTF-8 text")
    return text


def _parse_number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):  # float() also accepts nan, inf and 1_0
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _parse_duration(path: Path, line: int, text: str, known: float | None) -> float | None:
    """Duration in a comment line, or `known` if the line gives none."""
    match = _DURATION.fullmatch(text.strip('" \t\n,'))
    if match is None:
        return known
    number = _SECONDS.fullmatch(match[1])
    seconds = _parse_number(number[1]) if number else None
    if seconds is None or seconds < 0:
        raise _line_error(path, line, f"duration is {_quote(match[1].strip())}", "seconds such as '601.00 secs'")
    if known is not None and seconds != known:
        raise _line_error(path, line, f"duration is {seconds:g} s", f"{known:g} s as in an earlier line")
    return seconds


def _split(path: Path, line: int, text: str) -> list[str]:
    """Fields of one line; an open quote ends with its line, not with the file."""
    try:
        fields = next(csv.reader([text], skipinitialspace=True), [])
    except csv.Error as error:
        raise _line_error(path, line, f"row cannot be parsed ({error})", "fields separated by commas") from None
    return [field.strip() for field in fields]


def _parse_header(path: Path, line: int, fields: Sequence[str]) -> Sequence[str]:
    """Column names in the first row, or `COLUMNS` itself if this row already holds data."""
    names = [field.lower() for field in fields]
    if all(names.count(name) == 1 for name in _REQUIRED):
        return names
    has_times = len(fields) >= len(COLUMNS) - 1 and None not in map(_parse_number, fields[1:3])
    if has_times:
        return COLUMNS
    raise _line_error(path, line, f"header is {_quote(','.join(fields))}", repr(",".join(COLUMNS)))


def _parse_event(path: Path, line: int, columns: Sequence[str], fields: Sequence[str]) -> Event:
    row = dict(zip(columns, fields, strict=False))
    if any(fields[len(columns) :]) or any(name not in row for name in _REQUIRED):
        found = f"row has {len(fields)} fields ({_quote(','.join(fields))})"
        raise _line_error(path, line, found, f"{len(columns)}: {_quote_if_needed(','.join(columns))}")
    start, stop = _parse_number(row["start_time"]), _parse_number(row["stop_time"])
    confidence = _parse_number(row.get("confidence") or "1")
    if start is None:
        raise _line_error(path, line, f"start_time is {_quote(row['start_time'])}", "seconds")
    if stop is None or stop < start:
        expected = f"seconds not before start_time {start:g}"
        raise _line_error(path, line, f"stop_time is {_quote(row['stop_time'])}", expected)
    if not row["label"]:
        raise _line_error(path, line, "label is empty", "a label such as 'seiz' or 'bckg'")
    if confidence is None or confidence < 0:
        raise _line_error(path, line, f"confidence is {_quote(row['confidence'])}", "a number of at least 0")
    return Event(start, stop, row["label"].lower(), row.get("channel") or "TERM", confidence)


def _clip_start(line: int, event: Event, messages: _Messages) -> list[Event]:
    """The event clipped to start at 0, or an empty list if it has no length then."""
    place = f"line {line}, {_describe(event)}"
    if event.label not in KNOWN_LABELS:
        messages.add("unknown label kept", place)
    if event.start == event.stop:
        messages.add("event without length dropped", place)
        return []
    if event.stop <= 0:
        messages.add("event before 0 s dropped", place)
        return []
    if event.start < 0:
        messages.add("event clipped to start at 0 s", place)
        return [replace(event, start=0.0)]
    return [event]


def _drop_repeated(events: Iterable[Event], messages: _Messages) -> list[Event]:
    seen: dict[Event, None] = {}
    for event in events:
        if event in seen:
            messages.add("repeated row dropped", _describe(event))
        seen[event] = None
    return list(seen)


def _clip_stops(events: Iterable[Event], end: float, end_name: str, messages: _Messages) -> list[Event]:
    kept = []
    for event in events:
        if event.start >= end:
            messages.add(f"event after {end_name}, {end:g} s, dropped", _describe(event))
        elif event.stop > end:
            messages.add(f"event clipped to {end_name}, {end:g} s", _describe(event))
            kept.append(replace(event, stop=end))
        else:
            kept.append(event)
    return kept


def _report_overlaps(events: Sequence[Event], messages: _Messages) -> None:
    stops: dict[str, float] = {}
    for event in events:
        previous = stops.get(event.channel, 0.0)
        if event.start < previous:
            messages.add("event that overlaps an earlier one kept", _describe(event))
        stops[event.channel] = max(previous, event.stop)


def _sort_key(event: Event) -> tuple[float, float, str]:
    return event.start, event.stop, event.channel


def _describe(event: Event) -> str:
    label, channel = _quote_if_needed(event.label), _quote_if_needed(event.channel)
    return f"{label} {channel} {event.start:.4f} to {event.stop:.4f} s"
