"""EDF, EDF+, BDF and BDF+ files, as the specifications (edfplus.info, biosemi.com) want them and as they are found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cached_property
from os import PathLike, fspath
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seizurekit._core import edf as _edf
from seizurekit.recordings.channels import clean_label, reference_of

Gaps = Literal["error", "nan", "join"]
_GAPS = {"error": _edf.Gaps.error, "nan": _edf.Gaps.nan, "join": _edf.Gaps.join}
_DTYPES = ("float32", "float64", "int32", "int16")
_SAMPLE_TOLERANCE = 1e-6  # of a sample: times that are decimal fractions land beside whole samples by rounding


@dataclass(frozen=True)
class EdfChannel:
    """An ordinary signal.

    Attributes:
        label: as the file gives it, without padding.
        unique_label: the label, or where several signals have it ``"T8-P8#2"``: the second with this label. Signals
            without a label are ``"#1"``, ``"#2"`` and so on.
        name: the electrode of the 10-20 system that the label names (``"Fp1"``), else the label.
        sampling_rate: Hz.
        physical_dimension: unit of the physical values, e.g. ``"uV"``.
        transducer: e.g. ``"AgAgCl electrode"``.
        prefilter: e.g. ``"HP:0.1Hz LP:75Hz"``.
        physical_min: physical value of `digital_min`; above `physical_max` where the polarity is inverted.
        physical_max: physical value of `digital_max`.
        digital_min: smallest digital value.
        digital_max: largest digital value.
        samples_per_record: samples in each data record.
    """

    label: str
    unique_label: str
    name: str
    sampling_rate: float
    physical_dimension: str
    transducer: str
    prefilter: str
    physical_min: float
    physical_max: float
    digital_min: int
    digital_max: int
    samples_per_record: int


@dataclass(frozen=True)
class EdfAnnotation:
    """An annotation of EDF+: onset in s from the recording's start, duration in s (None where there is none), text."""

    onset: float
    duration: float | None
    text: str


@dataclass(frozen=True)
class EdfIssue:
    """A place where a file breaks the specification, and what was used instead."""

    byte_offset: int
    field: str
    found: str
    used: str

    def __str__(self) -> str:
        return f"byte {self.byte_offset}: {self.field}: found {self.found}, used {self.used}"


class EdfFile:
    """An open EDF or BDF file; made by `open_edf`. Reads may come from several threads at once.

    Attributes:
        path: the file.
        channels: the ordinary signals in file order; annotation signals are in `annotations` only.
        start_time: local time of the first sample, with its fraction of a second; None where the file has none.
        patient: the patient field.
        recording: the recording field.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self._open: _edf.File | None = _edf.File(self.path)
        self.patient = self._file.patient
        self.recording = self._file.recording
        self.start_time = _start_time(self._file.start, self._file.start_offset)
        self._record_duration = Fraction(repr(self._file.record_duration))
        signals = self._file.signals
        unique = _unique_labels([signal.label for signal in signals])
        self.channels = tuple(self._channel(*each) for each in zip(signals, unique, strict=True))

    @property
    def _file(self) -> _edf.File:
        if self._open is None:
            raise ValueError(f"{self.path}: the file is closed")
        return self._open

    def _channel(self, signal: _edf.Signal, unique_label: str) -> EdfChannel:
        return EdfChannel(
            label=signal.label,
            unique_label=unique_label,
            name=clean_label(signal.label) or signal.label,
            sampling_rate=float(self._rate(signal.samples_per_record)),
            physical_dimension=signal.physical_dimension,
            transducer=signal.transducer,
            prefilter=signal.prefilter,
            physical_min=signal.physical_min,
            physical_max=signal.physical_max,
            digital_min=signal.digital_min,
            digital_max=signal.digital_max,
            samples_per_record=signal.samples_per_record,
        )

    def _rate(self, samples_per_record: int) -> Fraction:
        return samples_per_record / self._record_duration if self._record_duration else Fraction(0)

    def exact_rate(self, channel: int) -> Fraction:
        """A channel's sampling rate in Hz as the file gives it: samples a data record over its duration."""
        return self._rate(self.channels[channel].samples_per_record)

    def samples(self, channel: int, gaps: Gaps = "nan") -> int:
        """Number of samples of a channel: gaps counted, or with ``gaps="join"`` of what is stored."""
        return self._file.samples(channel, _gaps(gaps))

    @property
    def format(self) -> str:
        """``EDF``, ``EDF+``, ``BDF`` or ``BDF+``, as the header says."""
        return ("BDF" if self._file.is_bdf else "EDF") + ("+" if self._file.is_plus else "")

    @cached_property
    def duration(self) -> float:
        """Seconds from the first sample to the end, gaps counted."""
        try:
            return self._file.duration(_edf.Gaps.nan)
        except ValueError:  # no certain order of the data records: what is stored
            return self._file.duration(_edf.Gaps.join)

    @cached_property
    def is_discontinuous(self) -> bool:
        """Whether there are gaps between data records."""
        return self._file.is_discontinuous()

    @cached_property
    def annotations(self) -> tuple[EdfAnnotation, ...]:
        """Annotations of all annotation signals by onset, without the time-keeping ones."""
        return tuple(EdfAnnotation(found.onset, found.duration, found.text) for found in self._file.annotations())

    @cached_property
    def issues(self) -> tuple[EdfIssue, ...]:
        """Where the file breaks the specification and what was used instead, by place in the file."""
        return tuple(EdfIssue(i.offset, i.field, i.found, i.used) for i in self._file.issues())

    def read(
        self,
        channels: Sequence[str | int] | str | int | None = None,
        start: float = 0.0,
        stop: float | None = None,
        dtype: DTypeLike = "float32",
        out: NDArray[Any] | None = None,
        gaps: Gaps = "error",
        threads: int = 0,
    ) -> NDArray[Any]:
        """Reads samples of channels of one sampling rate.

        Args:
            channels: labels, unique labels, names, or positions in `channels`; None is all. A label or name that
                several channels have is refused: use a unique label or a position.
            start: s from the recording's start. The samples nearest to start and stop are the first read and the first
                not read, halves upwards.
            stop: s; None is the end.
            dtype: float32 or float64 for physical values in the file's unit, computed in float64; int32 or int16 for
                digital values (int16 not for BDF).
            out: array [channel, sample] of this shape and dtype, rows contiguous, to be filled and returned.
            gaps: what to do where a discontinuous file stores nothing: refuse (``"error"``), give NaN (``"nan"``), or
                leave the gap out (``"join"``), times then counting what is stored.
            threads: 0 is as many as the amount of data is worth.

        Returns:
            ndarray [channel, sample].

        Raises:
            ValueError: no such channel, channels of several rates, times outside the recording, `out` does not fit.
            EdfError: a gap, or a file that has changed since it was opened.
        """
        positions = self._positions(channels)
        wanted = np.dtype(dtype)
        if wanted.name not in _DTYPES or not wanted.isnative:
            raise ValueError(f"dtype: found {wanted}, wanted one of {', '.join(_DTYPES)}")
        if wanted == np.int16 and self._file.is_bdf:
            raise ValueError("dtype: found int16, wanted int32: BDF has 24-bit samples")
        if wanted.kind == "i" and gaps == "nan":
            raise ValueError(f"gaps='nan': found dtype {wanted}, wanted float32 or float64: integers have no NaN")
        first, count = self._range(positions, start, stop, gaps)
        shape = (len(positions), count)
        if out is None:
            out = np.empty(shape, wanted)
        else:
            _check_out(out, shape, wanted)
        if out.size:
            self._file.read(positions, first, out, _gaps(gaps), threads)
        return out

    def _positions(self, channels: Sequence[str | int] | str | int | None) -> list[int]:
        if channels is None:
            channels = range(len(self.channels))
        elif isinstance(channels, (str, int, np.integer)):
            channels = [channels]
        positions = [self._position(channel) for channel in channels]
        rates = {self.channels[position].sampling_rate for position in positions}
        if len(rates) > 1:
            each = ", ".join(f"{rate:g}" for rate in sorted(rates))
            raise ValueError(f"{self.path}: channels of several sampling rates ({each} Hz), wanted one rate in a read")
        return positions

    def _position(self, channel: str | int) -> int:
        if not isinstance(channel, str):
            position = int(channel)
            if not 0 <= position < len(self.channels):
                raise ValueError(f"{self.path}: channel {position}: wanted a position below {len(self.channels)}")
            return position
        for attribute in ("label", "unique_label", "name"):
            found = [i for i, each in enumerate(self.channels) if getattr(each, attribute) == channel]
            if len(found) == 1:
                return found[0]
            if found:
                unique = ", ".join(f"{self.channels[i].unique_label!r} at {i}" for i in found)
                raise ValueError(f"{self.path}: channel {channel!r}: several have it, wanted one of {unique}")
        electrode = clean_label(channel)
        if electrode not in (None, channel) and not reference_of(channel):
            return self._position(str(electrode))
        labels = ", ".join(each.label for each in self.channels[:40]) or "none"
        raise ValueError(f"{self.path}: channel {channel!r}: no such label, found {labels}")

    def _range(self, positions: list[int], start: float, stop: float | None, gaps: Gaps) -> tuple[int, int]:
        if not positions:
            return 0, 0
        available = self.samples(positions[0], gaps)
        rate = self._rate(self.channels[positions[0]].samples_per_record)
        first = self._sample("start", start, rate, available, gaps)
        last = available if stop is None else self._sample("stop", stop, rate, available, gaps)
        if last < first:
            raise ValueError(f"{self.path}: stop: found {stop} s, wanted at least start, {start} s")
        return first, last - first

    def _sample(self, name: str, seconds: float, rate: Fraction, available: int, gaps: Gaps) -> int:
        # After a gap the last sample may stand up to half a sample before the recording's end.
        end = max(self._file.duration(_gaps(gaps)), float(available / rate) if rate else 0.0)
        beyond = _SAMPLE_TOLERANCE / float(rate) if rate else 0.0
        if not -beyond <= seconds <= end + beyond:
            raise ValueError(f"{self.path}: {name}: found {seconds} s, wanted 0 to {end:g} s")
        return min(max(math.floor(Fraction(seconds) * rate + Fraction(1, 2)), 0), available)

    def close(self) -> None:
        """Closes the file; reading from it afterwards is a ValueError."""
        self._open = None

    def __enter__(self) -> EdfFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[EdfFile], tuple[str]]:
        return EdfFile, (self.path,)

    def __repr__(self) -> str:
        return f"EdfFile({self.path!r}, {len(self.channels)} channels)"


def open_edf(path: str | PathLike[str]) -> EdfFile:
    """Opens an EDF, EDF+, BDF or BDF+ file; only its header is read.

    Malformed fields are mended in memory where their meaning is certain, and listed in `EdfFile.issues`:

    - The number of data records is what the file's size says; a cut last record is left out.
    - The number of signals gives the header's size, or the other way round where that number is unreadable.
    - Dates and times are read with any separator; a second of 60 is the next minute. Of two dates, the one in EDF+'s
      recording field counts. Where no date or time of day can be read, the start time is None.
    - Decimal commas are points, control bytes are blanks; text is ASCII, else UTF-8, else Latin-1.
    - Where the physical or the digital minimum equals its maximum, or one of them is blank, physical values are the
      digital ones. Else they lie on the line through both limits, also where a minimum is above its maximum (inverted
      polarity). Values beyond the limits are kept.
    - A data record follows its predecessor at once if it starts within half a sample (or 1.1 ms) of its end, or if its
      onset cannot be read. If records of a discontinuous file start before their predecessors end, it is read with
      ``gaps="join"`` alone, in file order. In a file said to be continuous, gaps count and such overlaps do not.
    - Annotations run to the end of their data record at most; those whose onset cannot be read are left out.

    Raises:
        EdfError: the file is not one of these, or its meaning is not certain; the error names file, byte offset, field,
            value found and value wanted.
        OSError: the file cannot be opened.
    """
    return EdfFile(path)


def _unique_labels(labels: Sequence[str]) -> list[str]:
    repeated = {label for label, count in Counter(labels).items() if count > 1 or not label}
    taken = set(labels)
    numbers: Counter[str] = Counter()
    unique = []
    for label in labels:
        name = label
        while label in repeated and name in taken:
            numbers[label] += 1
            name = f"{label}#{numbers[label]}"
        unique.append(name)
        taken.add(name)
    return unique


def _gaps(gaps: str) -> _edf.Gaps:
    if gaps not in _GAPS:
        raise ValueError(f"gaps: found {gaps!r}, wanted 'error', 'nan' or 'join'")
    return _GAPS[gaps]


def _check_out(out: NDArray[Any], shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        found = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"out: found {found}, wanted {dtype} {shape}")
    rows_contiguous = out.shape[1] <= 1 or out.strides[1] == out.itemsize
    if not out.flags.writeable or not rows_contiguous or out.strides[0] % out.itemsize:
        raise ValueError("out: wanted a writeable array whose rows are contiguous")


def _start_time(start: tuple[int, ...], offset: float) -> datetime | None:
    if not start:
        return None
    year, month, day, hour, minute, second = start
    return datetime(year, month, day, hour, minute, second) + timedelta(seconds=offset)
