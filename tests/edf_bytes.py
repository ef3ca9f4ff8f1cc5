"""Encoder of EDF and BDF files for tests and fuzzing, in which any field may be malformed.

For regular files, tests use edfio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Text = str | bytes
WIDTHS = {"EDF": 2, "BDF": 3}
_LIMITS = {"EDF": ("-32768", "32767"), "BDF": ("-8388608", "8388607")}
_VERSIONS = {"EDF": b"0       ", "BDF": b"\xffBIOSEMI"}


@dataclass(frozen=True)
class Signal:
    """Header fields of a signal, and its bytes in each data record.

    `samples` is the number of samples per record; None derives it from `data`.
    """

    data: Sequence[bytes]
    label: Text = "EEG Fp1-REF"
    transducer: Text = ""
    dimension: Text = "uV"
    physical_min: Text = "-3276.8"
    physical_max: Text = "3276.7"
    digital_min: Text = "-32768"
    digital_max: Text = "32767"
    prefilter: Text = ""
    samples: Text | None = None
    reserved: Text = ""


_SIGNAL_WIDTHS = {
    "label": 16,
    "transducer": 80,
    "dimension": 8,
    "physical_min": 8,
    "physical_max": 8,
    "digital_min": 8,
    "digital_max": 8,
    "prefilter": 80,
    "samples": 8,
    "reserved": 32,
}


@dataclass(frozen=True)
class EdfBytes:
    """A file. Fields that are None are derived from the others."""

    signals: Sequence[Signal]
    format: str = "EDF"
    version: Text | None = None
    patient: Text = "X X X X"
    recording: Text = "Startdate 02-MAR-2002 X X X"
    start_date: Text = "02.03.02"
    start_time: Text = "09.01.17"
    header_bytes: Text | None = None
    reserved: Text = ""
    records: Text | None = None
    record_duration: Text = "1"
    signal_count: Text | None = None
    tail: bytes = b""

    def with_fields(self, **fields: Any) -> EdfBytes:
        """A copy with other fields of the main header."""
        return replace(self, **fields)

    def with_signal(self, position: int, **fields: Any) -> EdfBytes:
        """A copy with other fields of one signal."""
        signals = list(self.signals)
        signals[position] = replace(signals[position], **fields)
        return replace(self, signals=signals)

    def header(self) -> bytes:
        """The main header and the signal headers."""
        count = len(self.signals)
        records = len(self.signals[0].data) if self.signals else 0
        main = [
            (_VERSIONS[self.format] if self.version is None else self.version, 8),
            (self.patient, 80),
            (self.recording, 80),
            (self.start_date, 8),
            (self.start_time, 8),
            (str(256 * (count + 1)) if self.header_bytes is None else self.header_bytes, 8),
            (self.reserved, 44),
            (str(records) if self.records is None else self.records, 8),
            (self.record_duration, 8),
            (str(count) if self.signal_count is None else self.signal_count, 4),
        ]
        parts = [_field(text, width) for text, width in main]
        for name, width in _SIGNAL_WIDTHS.items():
            parts += [_field(self._signal_field(signal, name), width) for signal in self.signals]
        return b"".join(parts)

    def _signal_field(self, signal: Signal, name: str) -> Text:
        if name == "samples" and signal.samples is None:
            return str(len(signal.data[0]) // WIDTHS[self.format])
        text: Text = getattr(signal, name)
        return text

    def to_bytes(self) -> bytes:
        """The whole file: header, data records, and `tail`."""
        records = max((len(signal.data) for signal in self.signals), default=0)
        body = b"".join(signal.data[record] for record in range(records) for signal in self.signals)
        return self.header() + body + self.tail

    def write(self, path: Path) -> Path:
        """Writes the file and returns its path."""
        path.write_bytes(self.to_bytes())
        return path


def _field(text: Text, width: int) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode("latin-1")
    assert len(raw) <= width, f"{raw!r} is longer than {width} bytes"
    return raw.ljust(width)


def packed(digital: NDArray[np.integer[Any]], width: int) -> list[bytes]:
    """Bytes of each data record, from digital values [record, sample] of `width` bytes each."""
    bytes4 = digital.astype("<i4").reshape(*digital.shape, 1).view(np.uint8)
    return [record.tobytes() for record in bytes4[..., :width]]


def signal(digital: NDArray[np.integer[Any]], file_format: str = "EDF", **fields: Any) -> Signal:
    """A signal of digital values [record, sample] with the format's limits. A step is 0.1 uV in EDF, 1 uV in BDF."""
    low, high = _LIMITS[file_format]
    limits = {"digital_min": low, "digital_max": high}
    if file_format == "BDF":
        limits |= {"physical_min": low, "physical_max": high}
    return Signal(packed(digital, WIDTHS[file_format]), **(limits | fields))


def annotation_signal(
    tals: Sequence[bytes], file_format: str = "EDF", size: int | None = None, **fields: Any
) -> Signal:
    """An annotation signal with the given bytes in each data record, padded with NUL to `size` bytes."""
    width = WIDTHS[file_format]
    longest = size or -(-max(map(len, tals)) // width) * width
    limits = dict(zip(("digital_min", "digital_max"), _LIMITS[file_format], strict=True))
    named = {"label": f"{file_format} Annotations", "dimension": "", "physical_min": "-1", "physical_max": "1"}
    return Signal([tal.ljust(longest, b"\0") for tal in tals], **(named | limits | fields))


def tal(onset: str, *texts: str, duration: str = "", encoding: str = "utf-8") -> bytes:
    """A time-stamped annotation list; without texts, the one that gives the start of a data record."""
    mark = f"\x15{duration}" if duration else ""
    return f"{onset}{mark}\x14{chr(20).join(texts)}\x14\0".encode(encoding)


@dataclass
class Recording:
    """A valid file of a format and its digital values, from which tests derive others."""

    format: str
    digital: list[NDArray[np.int64]] = field(default_factory=list)
    rates: tuple[int, ...] = (8, 8, 2)
    records: int = 5
    labels: tuple[str, ...] = ("EEG FP1-REF", "EEG FP2-REF", "IBI")

    def __post_init__(self) -> None:
        random = np.random.default_rng(7)
        limit = 1 << (8 * WIDTHS[self.format] - 1)
        self.digital = [random.integers(-limit, limit, (self.records, rate)) for rate in self.rates]

    def plain(self) -> EdfBytes:
        """An EDF or BDF file without annotations."""
        signals = [
            signal(values, self.format, label=label) for values, label in zip(self.digital, self.labels, strict=True)
        ]
        return EdfBytes(signals, self.format)

    def plus(self, tals: Sequence[bytes] | None = None, kind: str = "C", **fields: Any) -> EdfBytes:
        """An EDF+ or BDF+ file with the annotations `tals`, one list per data record; default: its start time."""
        if tals is None:
            tals = [tal(f"+{record}", "") for record in range(self.records)]
        plain = self.plain()
        signals = [*plain.signals, annotation_signal(tals, self.format)]
        return plain.with_fields(signals=signals, reserved=f"{self.format}+{kind}", **fields)
