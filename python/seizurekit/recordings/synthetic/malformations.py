"""Malformed and unreadable EDF files, with faults seen in public recordings."""

from __future__ import annotations

from collections.abc import Callable

_DATE, _TIME, _HEADER_BYTES, _RECORDS, _SIGNALS = 168, 176, 184, 236, 252
_PATIENT = 8


def _signal_count(edf: bytearray) -> int:
    return int(edf[_SIGNALS : _SIGNALS + 4])


def _column(edf: bytearray, before: int, width: int, signal: int) -> slice:
    """Bytes of a field of a signal; `before` is the width of the fields in front of it."""
    start = 256 + before * _signal_count(edf) + width * signal
    return slice(start, start + width)


def _heart(edf: bytearray) -> int:
    """Position of the electrocardiogram, which no detector reads. Two unused inputs follow it."""
    labels = [bytes(edf[_column(edf, 0, 16, i)]) for i in range(_signal_count(edf))]
    return next(i for i, label in enumerate(labels) if b"EKG" in label)


def _date_with_colons(edf: bytearray) -> None:
    edf[_DATE : _DATE + 8] = edf[_DATE : _DATE + 8].replace(b".", b":")


def _time_with_colons(edf: bytearray) -> None:
    edf[_TIME : _TIME + 8] = edf[_TIME : _TIME + 8].replace(b".", b":")


def _decimal_comma(edf: bytearray) -> None:
    limits = slice(_column(edf, 104, 8, 0).start, _column(edf, 112, 8, _signal_count(edf) - 1).stop)
    edf[limits] = edf[limits].replace(b".", b",")


def _unknown_record_count(edf: bytearray) -> None:
    edf[_RECORDS : _RECORDS + 8] = b"-1      "


def _cut_last_record(edf: bytearray) -> None:
    records = int(edf[_RECORDS : _RECORDS + 8])
    record_bytes = (len(edf) - 256 * (1 + _signal_count(edf))) // records
    del edf[len(edf) - record_bytes // 3 :]


def _wrong_header_size(edf: bytearray) -> None:
    edf[_HEADER_BYTES : _HEADER_BYTES + 8] = b"256     "


def _duplicate_label(edf: bytearray) -> None:
    first_unused = _heart(edf) + 1
    edf[_column(edf, 0, 16, first_unused + 1)] = edf[_column(edf, 0, 16, first_unused)]


def _nul_bytes(edf: bytearray) -> None:
    edf[_PATIENT : _PATIENT + 80] = bytes(edf[_PATIENT : _PATIENT + 80]).rstrip().ljust(80, b"\x00")
    label = _column(edf, 0, 16, 0)
    edf[label] = bytes(edf[label]).rstrip().ljust(16, b"\x00")


def _inverted_limits(edf: bytearray) -> None:
    low, high = (_column(edf, before, 8, _heart(edf)) for before in (104, 112))
    edf[low], edf[high] = edf[high], edf[low]


# Keys are written into `synthetic.json`. Apart from the cut last record, none of them loses a sample.
MALFORMATIONS: dict[str, Callable[[bytearray], None]] = {
    "start date with colons": _date_with_colons,
    "decimal commas in the physical limits": _decimal_comma,
    "record count -1": _unknown_record_count,
    "last record cut": _cut_last_record,
    "wrong header size": _wrong_header_size,
    "duplicate label": _duplicate_label,
    "NUL bytes in the header": _nul_bytes,
    "physical minimum above maximum": _inverted_limits,
    "start time with colons": _time_with_colons,
}


def malform(edf: bytes, name: str) -> bytes:
    """Bytes of a well-formed file after one of `MALFORMATIONS`."""
    changed = bytearray(edf)
    MALFORMATIONS[name](changed)
    return bytes(changed)


def unreadable(index: int) -> tuple[str, bytes]:
    """Fault and bytes of an unreadable file; indices from 0 cycle through the faults."""
    header = b"0       ".ljust(184) + b"many    ".ljust(52) + b"60      1       many"
    faults = (
        ("an archive", b"PK\x03\x04" + bytes(300)),
        ("an empty file", b""),
        ("half a header", header[:100]),
        ("nonsense in the number of signals", header + bytes(512)),
    )
    return faults[index % len(faults)]
