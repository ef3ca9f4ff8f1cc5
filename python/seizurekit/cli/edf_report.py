"""The output of `inspect` and `repair`: tables and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seizurekit.recordings.edf import EdfFile
from seizurekit.recordings.repair import Repair

_MAX_ANNOTATIONS = 20


def as_json(edf: EdfFile) -> str:
    """Everything that `inspect` knows about a file, as one JSON object; times in seconds, rates in Hz."""
    return json.dumps(_facts(edf), indent=2, ensure_ascii=False)


def _facts(edf: EdfFile) -> dict[str, Any]:
    return {
        "file": str(edf.path),
        "format": edf.format,
        "patient": edf.patient,
        "recording": edf.recording,
        "start_time": edf.start_time.isoformat() if edf.start_time else None,
        "duration": edf.duration,
        "is_discontinuous": edf.is_discontinuous,
        "channels": [
            {
                "label": channel.label,
                "name": channel.name,
                "sampling_rate": channel.sampling_rate,
                "physical_dimension": channel.physical_dimension,
                "transducer": channel.transducer,
                "prefilter": channel.prefilter,
            }
            for channel in edf.channels
        ],
        "annotations": [
            {"onset": annotation.onset, "duration": annotation.duration, "text": annotation.text}
            for annotation in edf.annotations
        ],
        "issues": [
            {"byte_offset": issue.byte_offset, "field": issue.field, "found": issue.found, "used": issue.used}
            for issue in edf.issues
        ],
    }


def print_recording(edf: EdfFile) -> None:
    """Prints header, channels, annotations and issues as tables."""
    console = Console(highlight=False)
    console.print(_printable(str(edf.path)), style="bold", soft_wrap=True)
    console.print(_header(edf))
    _print_section(console, f"{len(edf.channels)} {_plural(len(edf.channels), 'channel')}", _channels(edf))
    _print_annotations(console, edf)
    if edf.issues:
        rows = [(str(issue.byte_offset), issue.field, issue.found, issue.used) for issue in edf.issues]
        title = f"{len(rows)} {_plural(len(rows), 'issue')}, handled in memory"
        _print_section(console, title, _table(("byte", "field", "found", "used"), rows, numbers=("byte",)))
    else:
        console.print("\nNo issues: the file follows the specification.")


def print_repairs(destination: Path, repairs: Sequence[Repair]) -> None:
    """Prints the repairs as a table."""
    console = Console(highlight=False)
    if repairs:
        rows = [(str(repair.byte_offset), repair.field, repair.found, repair.written) for repair in repairs]
        console.print(_table(("byte", "field", "found", "written"), rows, numbers=("byte",)))
    count = f"{len(repairs)} {_plural(len(repairs), 'repair')}" if repairs else "nothing to repair, copied unchanged"
    console.print(_printable(f"{destination}: {count}"), soft_wrap=True)


def _header(edf: EdfFile) -> Table:
    duration = f"{edf.duration:g} s ({_clock(edf.duration)})"
    rows = {
        "format": edf.format,
        "patient": edf.patient,
        "recording": edf.recording,
        "start": edf.start_time.isoformat(sep=" ") if edf.start_time else "unknown",
        "duration": duration + (", with gaps between data records" if edf.is_discontinuous else ""),
        "rates": _rates(edf),
    }
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, _printable(value or "–"))
    return table


def _rates(edf: EdfFile) -> str:
    counts = Counter(channel.sampling_rate for channel in edf.channels)
    parts = (f"{rate:g} Hz ({count} {_plural(count, 'channel')})" for rate, count in counts.most_common())
    return ", ".join(parts)


def _channels(edf: EdfFile) -> Table:
    headings = ("#", "label", "name", "Hz", "unit", "transducer", "prefilter")
    rows = [
        (
            str(position),
            channel.label,
            channel.name,
            f"{channel.sampling_rate:g}",
            channel.physical_dimension,
            channel.transducer,
            channel.prefilter,
        )
        for position, channel in enumerate(edf.channels)
    ]
    kept = [column for column in range(len(headings)) if any(row[column] for row in rows)]
    return _table(
        [headings[column] for column in kept], [[row[column] for column in kept] for row in rows], numbers=("#", "Hz")
    )


def _print_annotations(console: Console, edf: EdfFile) -> None:
    annotations = edf.annotations
    if not annotations:
        return
    rows = [
        (f"{annotation.onset:.3f}", "" if annotation.duration is None else f"{annotation.duration:g}", annotation.text)
        for annotation in annotations[:_MAX_ANNOTATIONS]
    ]
    title = f"{len(annotations)} {_plural(len(annotations), 'annotation')}"
    _print_section(console, title, _table(("onset s", "duration s", "text"), rows, numbers=("onset s", "duration s")))
    if len(annotations) > _MAX_ANNOTATIONS:
        console.print(f"… and {len(annotations) - _MAX_ANNOTATIONS} more; --json lists them all")


def _print_section(console: Console, title: str, table: Table) -> None:
    console.print(f"\n{title}", style="bold")
    console.print(table)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: Container[str]) -> Table:
    """A table. Columns whose heading is in `numbers` are right-aligned; long text wraps."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), header_style="dim")
    for heading in headings:
        is_number = heading in numbers
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    for row in rows:
        table.add_row(*(_printable(cell) for cell in row))
    return table


def _printable(text: str) -> Text:
    """The text with control characters escaped, so that a file cannot control the terminal."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return Text("".join(shown))


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else noun + "s"
