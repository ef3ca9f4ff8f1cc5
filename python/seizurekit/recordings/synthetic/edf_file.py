"""Encodes EDF and EDF+C files with data records of 1 s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ANNOTATION_SAMPLES = 57
_TAL_END = b"\x14\x00"


@dataclass(frozen=True)
class SignalHeader:
    """Header of one signal; the physical limits are strings of at most 8 characters, written as they are."""

    label: str
    samples_per_record: int
    transducer: str = ""
    dimension: str = ""
    physical_min: str = "-1"
    physical_max: str = "1"
    digital_min: int = -32768
    digital_max: int = 32767
    prefilter: str = ""

    @property
    def gain(self) -> float:
        """Physical units per digital step."""
        return (float(self.physical_max) - float(self.physical_min)) / (self.digital_max - self.digital_min)

    @property
    def offset(self) -> float:
        """Physical value of digital 0."""
        return float(self.physical_min) - self.digital_min * self.gain


ANNOTATIONS = SignalHeader("EDF Annotations", ANNOTATION_SAMPLES)


@dataclass(frozen=True)
class FileHeader:
    """Main header: patient and recording fields, start date and time in EDF's format, and whether the file is EDF+C."""

    patient: str
    recording: str
    date: str
    time: str
    plus: bool


def encode_header(header: FileHeader, signals: Sequence[SignalHeader], records: int) -> bytes:
    """Bytes of the header: 256, and 256 for each signal."""
    size = 256 * (1 + len(signals))
    first = [("0", 8), (header.patient, 80), (header.recording, 80), (header.date, 8), (header.time, 8), (str(size), 8)]
    first += [("EDF+C" if header.plus else "", 44), (str(records), 8), ("1", 8), (str(len(signals)), 4)]
    columns = [
        ([s.label for s in signals], 16),
        ([s.transducer for s in signals], 80),
        ([s.dimension for s in signals], 8),
        ([s.physical_min for s in signals], 8),
        ([s.physical_max for s in signals], 8),
        ([str(s.digital_min) for s in signals], 8),
        ([str(s.digital_max) for s in signals], 8),
        ([s.prefilter for s in signals], 80),
        ([str(s.samples_per_record) for s in signals], 8),
        ([""] * len(signals), 32),
    ]
    fields = first + [(text, width) for column, width in columns for text in column]
    return b"".join(_field(text, width) for text, width in fields)


def _field(text: str, width: int) -> bytes:
    encoded = text.encode("ascii")
    if len(encoded) > width:
        raise ValueError(f"EDF header field is {text!r}, expected at most {width} characters")
    return encoded.ljust(width)


def encode_annotations(annotations: Sequence[tuple[float, str]], records: int) -> npt.NDArray[np.int16]:
    """Annotation signal with the start of each record and the annotations that start in it, int16 [record, 57].

    Raises:
        ValueError: the annotations of a record do not fit into its 114 bytes.
    """
    encoded = bytearray()
    for record in range(records):
        tals = f"+{record}".encode() + b"\x14" + _TAL_END
        for onset, text in annotations:
            if record <= onset < record + 1:
                tals += f"+{onset:.4f}\x14{text}".encode() + _TAL_END
        if len(tals) > 2 * ANNOTATION_SAMPLES:
            raise ValueError(f"annotations of record {record} have {len(tals)} bytes, expected at most 114")
        encoded += tals.ljust(2 * ANNOTATION_SAMPLES, b"\x00")
    return np.frombuffer(bytes(encoded), "<i2").reshape(records, ANNOTATION_SAMPLES)


def digitize(values: npt.NDArray[np.float32], signal: SignalHeader, out: npt.NDArray[np.int16]) -> None:
    """Writes physical values as the nearest digital values, clipped to the range of the signal.

    Args:
        values: physical values, float32 [sample]; overwritten.
        signal: gives the calibration.
        out: digital values, int16 [record, sample of the record].
    """
    values -= np.float32(signal.offset)
    values *= np.float32(1.0 / signal.gain)
    np.rint(values, out=values)
    np.clip(values, signal.digital_min, signal.digital_max, out=values)
    out[...] = values.reshape(out.shape)
