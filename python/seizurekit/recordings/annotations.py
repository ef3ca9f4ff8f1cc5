"""Seizure annotations: TUSZ's ``.csv_bi`` (a row an event) and ``.csv`` (a row an event and bipolar channel)."""

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
"""Labels of the TUH corpora's annotation guidelines; others are kept, with a message."""

COLUMNS = ("channel", "start_time", "stop_time", "label", "confidence")
"""TUSZ's columns in TUSZ's order."""

_NEEDED = ("start_time", "stop_time", "label")
_LARGEST_FILE = 64 << 20
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE)
_DURATION = re.compile(r"#[#\s]*duration\s*[=:](.*)", re.IGNORECASE)
_SECONDS = re.compile(rf"\s*({_NUMBER.pattern})\s*(?:s|secs?|seconds?)?", re.IGNORECASE)


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
        events: sorted by start, stop and channel.
        messages: what was mended, clipped, dropped or is unusual, one sentence a kind.
        kind: ``"csv_bi"`` where the file has a row an event, ``"csv"`` where it has one for each channel too.
    """

    path: Path
    duration: float | None
    events: tuple[Event, ...]
    messages: tuple[str, ...] = ()
    kind: Literal["csv", "csv_bi"] = "csv_bi"

    def seizures(self, labels: Collection[str] = SEIZURE_LABELS) -> tuple[Event, ...]:
        """The recording's seizures: events of the given labels, those that overlap or touch united, sorted.

        A ``.csv`` has a row a channel, so its seizures are unions over channels. A united event has the label of its
        first part and the largest confidence.
        """
        united: list[Event] = []
        for event in sorted((e for e in self.events if e.label in labels), key=_in_time):
            if united and event.start <= united[-1].stop:
                last = united[-1]
                confidence = max(last.confidence, event.confidence)
                united[-1] = replace(last, stop=max(last.stop, event.stop), confidence=confidence)
            else:
                united.append(replace(event, channel="TERM"))
        return tuple(united)

    def clip(self, duration: float) -> Annotations:
        """The same for a signal of `duration` seconds: events end with it, those that begin at its end are dropped."""
        said = _Said()
        events = sorted(_within(self.events, duration, "the signal's end", said), key=_in_time)
        return replace(self, events=tuple(events), messages=self.messages + said.sentences())


def read_annotations(path: str | PathLike[str]) -> Annotations:
    """Reads a ``.csv_bi`` or ``.csv`` file of TUSZ.

    What does not matter: CRLF, a byte-order mark, blank lines, blanks and quotes around fields, empty fields at a row's
    end, the order of columns, other columns, capitals in labels, and where the ``#`` lines stand.

    What is taken as it is, or mended, with a message:

    - no ``# duration`` line: the duration is None;
    - no header row: TUSZ's columns in TUSZ's order; no row at all below the header: no event;
    - no channel column, or no channel: ``TERM``; no confidence: 1.0;
    - an unknown label is kept; it is a seizure only for those who ask for it by name;
    - events of a channel that overlap are kept; `Annotations.seizures` unites them;
    - an event that begins before 0 or ends after the duration is clipped; one wholly outside, or of no length, is
      dropped, and so is a row that repeats another.

    What is refused, since a seizure could be lost by guessing: a time that is no number or not finite, a stop before
    its start, a row with a field too few or too many, a label left out, a confidence below 0, two durations that
    differ, a table without one of the columns start_time, stop_time and label, and whatever is not text in UTF-8.

    Raises:
        AnnotationError: the file is refused; the message names file, line, column, value found and value wanted.
        OSError: the file cannot be read.
    """
    path = Path(path)
    size = path.stat().st_size
    if size > _LARGEST_FILE:
        raise AnnotationError(f"{path}: found {size} bytes, wanted an annotation file of at most {_LARGEST_FILE}")
    return parse_annotations(path.read_bytes(), path)


def parse_annotations(data: bytes, path: str | PathLike[str]) -> Annotations:
    """Reads what `read_annotations` reads from a file's bytes; `path` is for messages, and its suffix for the kind."""
    path = Path(path)
    said = _Said()
    duration: float | None = None
    columns: Sequence[str] | None = None
    events: list[Event] = []
    for line, text in enumerate(io.StringIO(_decoded(path, data), newline=None), 1):
        if text.lstrip(' \t"').startswith("#"):
            duration = _duration(path, line, text, duration)
            continue
        fields = _fields(path, line, text)
        if not any(fields):
            continue
        if columns is None:
            columns = _header(path, line, fields)
            if columns is not COLUMNS:
                continue
            said.add(f"no header row, columns taken as {','.join(COLUMNS)}", f"line {line}")
        events += _mended(line, _event(path, line, columns, fields), said)
    if columns is None:
        raise _refusal(path, None, "table", "no row", f"a header row {','.join(COLUMNS)!r}")
    if not events:
        said.add("no event in the table")
    events = _without_repetitions(events, said)
    if duration is None:
        said.add("no '# duration' line")
    else:
        events = _within(events, duration, "the duration", said)
    events.sort(key=_in_time)
    _note_overlaps(events, said)
    kind: Literal["csv", "csv_bi"] = "csv" if path.suffix.lower() == ".csv" else "csv_bi"
    return Annotations(path, duration, tuple(events), said.sentences(), kind)


class _Said:
    """Messages by kind, so that a thousand rows of one kind make one sentence."""

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


def _refusal(path: Path, line: int | None, column: str, found: str, wanted: str) -> AnnotationError:
    place = "" if line is None else f"line {line}: "
    return AnnotationError(f"{path}: {place}{column}: found {found}, wanted {wanted}")


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")


def _plain(text: str) -> str:
    return text if text.isprintable() and len(text) <= 80 else _quoted(text)


def _decoded(path: Path, data: bytes) -> str:
    if not data.strip():
        raise _refusal(path, None, "content", "an empty file", "annotations")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refusal(path, None, "content", "text in UTF-16", "text in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02x} at byte {error.start}"
        raise _refusal(path, None, "content", found, "text in UTF-8") from None
    if "\0" in text:
        raise _refusal(path, None, "content", f"a NUL at byte {data.index(0)}", "text in UTF-8")
    return text


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):  # float() also takes nan, inf and 1_0
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _duration(path: Path, line: int, text: str, known: float | None) -> float | None:
    match = _DURATION.fullmatch(text.strip('" \t\n,'))
    if match is None:
        return known
    number = _SECONDS.fullmatch(match[1])
    seconds = _number(number[1]) if number else None
    if seconds is None or seconds < 0:
        raise _refusal(path, line, "duration", _quoted(match[1].strip()), "seconds such as '601.00 secs'")
    if known is not None and seconds != known:
        raise _refusal(path, line, "duration", f"{seconds:g} s", f"one duration, and an earlier line says {known:g} s")
    return seconds


def _fields(path: Path, line: int, text: str) -> list[str]:
    """One line's fields; a quote that is left open ends with its line, not with the file."""
    try:
        fields = next(csv.reader([text], skipinitialspace=True), [])
    except csv.Error as error:
        raise _refusal(path, line, "row", str(error), "fields separated by commas") from None
    return [field.strip() for field in fields]


def _header(path: Path, line: int, fields: Sequence[str]) -> Sequence[str]:
    """The names in a header row, or `COLUMNS` itself where the first row is already one of data."""
    names = [field.lower() for field in fields]
    if all(names.count(name) == 1 for name in _NEEDED):
        return names
    if len(fields) >= len(COLUMNS) - 1 and _number(fields[1]) is not None and _number(fields[2]) is not None:
        return COLUMNS
    raise _refusal(path, line, "header", _quoted(",".join(fields)), repr(",".join(COLUMNS)))


def _event(path: Path, line: int, columns: Sequence[str], fields: Sequence[str]) -> Event:
    row = dict(zip(columns, fields, strict=False))
    if any(fields[len(columns) :]) or any(name not in row for name in _NEEDED):
        found = f"{len(fields)} fields ({_quoted(','.join(fields))})"
        raise _refusal(path, line, "row", found, f"{len(columns)}: {_plain(','.join(columns))}")
    start, stop = _number(row["start_time"]), _number(row["stop_time"])
    confidence = _number(row.get("confidence") or "1")
    if start is None:
        raise _refusal(path, line, "start_time", _quoted(row["start_time"]), "seconds")
    if stop is None or stop < start:
        raise _refusal(path, line, "stop_time", _quoted(row["stop_time"]), f"seconds not before start_time {start:g}")
    if not row["label"]:
        raise _refusal(path, line, "label", "nothing", "one such as 'seiz' or 'bckg'")
    if confidence is None or confidence < 0:
        raise _refusal(path, line, "confidence", _quoted(row["confidence"]), "a number of at least 0")
    return Event(start, stop, row["label"].lower(), row.get("channel") or "TERM", confidence)


def _mended(line: int, event: Event, said: _Said) -> list[Event]:
    """The event, clipped to begin at 0, or nothing where it has no length after that."""
    place = f"line {line}, {_shown(event)}"
    if event.label not in KNOWN_LABELS:
        said.add("unknown label kept", place)
    if event.start == event.stop:
        said.add("event of no length dropped", place)
        return []
    if event.stop <= 0:
        said.add("event before 0 s dropped", place)
        return []
    if event.start < 0:
        said.add("event clipped to begin at 0 s", place)
        return [replace(event, start=0.0)]
    return [event]


def _without_repetitions(events: Iterable[Event], said: _Said) -> list[Event]:
    seen: dict[Event, None] = {}
    for event in events:
        if event in seen:
            said.add("repeated row dropped", _shown(event))
        seen[event] = None
    return list(seen)


def _within(events: Iterable[Event], duration: float, what: str, said: _Said) -> list[Event]:
    kept = []
    for event in events:
        if event.start >= duration:
            said.add(f"event after {what}, {duration:g} s, dropped", _shown(event))
        elif event.stop > duration:
            said.add(f"event clipped to {what}, {duration:g} s", _shown(event))
            kept.append(replace(event, stop=duration))
        else:
            kept.append(event)
    return kept


def _note_overlaps(events: Sequence[Event], said: _Said) -> None:
    stop: dict[str, float] = {}
    for event in events:
        before = stop.get(event.channel, 0.0)
        if event.start < before:
            said.add("event that begins before an earlier one's end kept", _shown(event))
        stop[event.channel] = max(before, event.stop)


def _in_time(event: Event) -> tuple[float, float, str]:
    return event.start, event.stop, event.channel


def _shown(event: Event) -> str:
    return f"{_plain(event.label)} {_plain(event.channel)} {event.start:.4f} to {event.stop:.4f} s"
