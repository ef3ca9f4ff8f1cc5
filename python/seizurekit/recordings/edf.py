"""Reads EDF, EDF+, BDF and BDF+ files (edfplus.info, biosemi.com), including malformed ones."""

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
from seizurekit.recordings.channels import parse_electrode, parse_reference

Channels = Sequence[str | int] | NDArray[np.integer[Any]] | str | int | None
Gaps = Literal["error", "nan", "join"]
_GAPS = {"error": _edf.Gaps.error, "nan": _edf.Gaps.nan, "join": _edf.Gaps.join}
_DTYPES = ("float32", "float64", "int32", "int16")
_SAMPLE_TOLERANCE = 1e-6  # fraction of a sample: rounding moves decimal times slightly off whole samples


@dataclass(frozen=True)
class EdfChannel:
    """Header of an ordinary signal.

    Attributes:
        label: label in the file, without padding.
        unique_label: the label. If several signals share it, the second one is ``"T8-P8#2"``. Signals without a label
            are ``"#1"``, ``"#2"`` and so on.
        name: 10-20 electrode that the label names, such as ``"Fp1"``; otherwise the label.
        sampling_rate: sampling rate in Hz.
        physical_dimension: unit of the physical values, such as ``"uV"``.
        transducer: transducer type, such as ``"AgAgCl electrode"``.
        prefilter: filters of the recorder, such as ``"HP:0.1Hz LP:75Hz"``.
        physical_min: physical value of `digital_min`; above `physical_max` if the polarity is inverted.
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
    """An EDF+ annotation.

    Attributes:
        onset: seconds from the start of the recording.
        duration: duration in seconds; None if the file gives none.
        text: text of the annotation.
    """

    onset: float
    duration: float | None
    text: str


@dataclass(frozen=True)
class EdfIssue:
    """A deviation from the specification that was handled in memory.

    Attributes:
        byte_offset: offset of the field in the file.
        field: name of the field in the EDF specification.
        found: value in the file.
        used: value used instead.
    """

    byte_offset: int
    field: str
    found: str
    used: str

    def __str__(self) -> str:
        return f"byte {self.byte_offset}: {self.field} is {self.found}; read as {self.used}"


class EdfFile:
    """An open EDF or BDF file, returned by `open_edf`. Several threads may read from it at once.

    Attributes:
        path: path of the file.
        channels: ordinary signals in file order. Annotation signals appear only in `annotations`.
        start_time: local time of the first sample, with fractions of a second; None if the file gives none.
        patient: patient field of the header.
        recording: recording field of the header.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self._core: _edf.File | None = _edf.File(self.path)
        self.patient = self.core.patient
        self.recording = self.core.recording
        self.start_time = _start_time(self.core.start, self.core.start_offset)
        self._record_duration = Fraction(repr(self.core.record_duration))
        signals = self.core.signals
        unique = _unique_labels([signal.label for signal in signals])
        self.channels = tuple(self._channel(*each) for each in zip(signals, unique, strict=True))

    @property
    def core(self) -> _edf.File:
        """The C++ reader of this file, for C++ code that reads samples without a copy in Python.

        Raises:
            ValueError: the file is closed.
        """
        if self._core is None:
            raise ValueError(f"{self.path}: file is closed")
        return self._core

    def _channel(self, signal: _edf.Signal, unique_label: str) -> EdfChannel:
        return EdfChannel(
            label=signal.label,
            unique_label=unique_label,
            name=parse_electrode(signal.label) or signal.label,
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
        """Sampling rate of a channel in Hz: samples per data record over the record's duration."""
        return self._rate(self.channels[channel].samples_per_record)

    def samples(self, channel: int, gaps: Gaps = "nan") -> int:
        """Number of samples of a channel, including gaps; with ``gaps="join"`` without them."""
        return self.core.samples(channel, _core_gaps(gaps))

    @property
    def format(self) -> str:
        """Format given in the header: ``EDF``, ``EDF+``, ``BDF`` or ``BDF+``."""
        return ("BDF" if self.core.is_bdf else "EDF") + ("+" if self.core.is_plus else "")

    @cached_property
    def duration(self) -> float:
        """Duration in seconds, including gaps."""
        try:
            return self.core.duration(_edf.Gaps.nan)
        except ValueError:  # data records overlap, so their order is uncertain: count the stored samples
            return self.core.duration(_edf.Gaps.join)

    @cached_property
    def is_discontinuous(self) -> bool:
        """True if there are gaps between data records."""
        return self.core.is_discontinuous()

    @cached_property
    def annotations(self) -> tuple[EdfAnnotation, ...]:
        """Annotations of all annotation signals, sorted by onset, without time-keeping annotations."""
        return tuple(EdfAnnotation(a.onset, a.duration, a.text) for a in self.core.annotations())

    @cached_property
    def issues(self) -> tuple[EdfIssue, ...]:
        """Deviations from the specification and the values used instead, in file order."""
        return tuple(EdfIssue(i.offset, i.field, i.found, i.used) for i in self.core.issues())

    def read(
        self,
        channels: Channels = None,
        start: float = 0.0,
        stop: float | None = None,
        dtype: DTypeLike = "float32",
        out: NDArray[Any] | None = None,
        gaps: Gaps = "error",
        threads: int = 0,
    ) -> NDArray[Any]:
        """Reads samples of channels with one sampling rate.

        Args:
            channels: labels, unique labels, names, or indices in `channels`; None reads all. If several channels
                share a label or name, use a unique label or an index.
            start: seconds from the start of the recording. The sample nearest to `start` is the first one read, the
                sample nearest to `stop` the first one not read; halves round up.
            stop: seconds from the start of the recording; None is the end.
            dtype: float32 or float64 for physical values in the unit of the file, computed in float64; int32 or int16
                for digital values (no int16 for BDF).
            out: array [channel, sample] of the result's shape and dtype with contiguous rows; it is filled and
                returned.
            gaps: how to treat gaps of a discontinuous file: raise an EdfError (``"error"``), fill with NaN
                (``"nan"``), or skip them (``"join"``); `start` and `stop` then count only stored samples.
            threads: number of threads; 0 chooses it from the amount of data.

        Returns:
            ndarray [channel, sample].

        Raises:
            ValueError: no such channel, channels with different rates, times outside the recording, or an `out` of
                another shape or dtype.
            EdfError: a gap, or the file changed since it was opened.
        """
        indices = self._find_channels(channels)
        dtype = self._check_dtype(np.dtype(dtype), gaps)
        first, count = self._sample_range(indices, start, stop, gaps)
        shape = (len(indices), count)
        if out is None:
            out = np.empty(shape, dtype)
        else:
            _check_out(out, shape, dtype)
        if out.size:
            self.core.read(indices, first, out, _core_gaps(gaps), threads)
        return out

    def _check_dtype(self, dtype: np.dtype[Any], gaps: Gaps) -> np.dtype[Any]:
        if dtype.name not in _DTYPES or not dtype.isnative:
            raise ValueError(f"dtype is {dtype}, expected one of {', '.join(_DTYPES)}")
        if dtype == np.int16 and self.core.is_bdf:
            raise ValueError("dtype is int16, expected int32: BDF has 24-bit samples")
        if dtype.kind == "i" and gaps == "nan":
            raise ValueError(f"dtype is {dtype}, expected float32 or float64 for gaps='nan': integers have no NaN")
        return dtype

    def _find_channels(self, channels: Channels) -> list[int]:
        if channels is None:
            channels = range(len(self.channels))
        elif isinstance(channels, (str, int, np.integer)):
            channels = [channels]
        indices = [self._find_channel(channel) for channel in channels]
        rates = {self.channels[index].sampling_rate for index in indices}
        if len(rates) > 1:
            each = ", ".join(f"{rate:g}" for rate in sorted(rates))
            raise ValueError(f"{self.path}: channels have sampling rates {each} Hz, expected one rate per read")
        return indices

    def _find_channel(self, channel: str | int) -> int:
        if not isinstance(channel, str):
            index = int(channel)
            if not 0 <= index < len(self.channels):
                raise ValueError(f"{self.path}: channel {index}: expected an index below {len(self.channels)}")
            return index
        for attribute in ("label", "unique_label", "name"):
            found = [i for i, each in enumerate(self.channels) if getattr(each, attribute) == channel]
            if len(found) == 1:
                return found[0]
            if found:
                unique = ", ".join(f"{self.channels[i].unique_label!r} at {i}" for i in found)
                raise ValueError(f"{self.path}: channel {channel!r} is ambiguous, expected one of {unique}")
        electrode = parse_electrode(channel)
        if electrode not in (None, channel) and not parse_reference(channel):
            return self._find_channel(str(electrode))
        labels = ", ".join(each.label for each in self.channels[:40]) or "none"
        raise ValueError(f"{self.path}: no channel {channel!r}; labels in the file: {labels}")

    def _sample_range(self, indices: list[int], start: float, stop: float | None, gaps: Gaps) -> tuple[int, int]:
        """First sample and number of samples to read."""
        if not indices:
            return 0, 0
        available = self.samples(indices[0], gaps)
        rate = self._rate(self.channels[indices[0]].samples_per_record)
        first = self._nearest_sample("start", start, rate, available, gaps)
        end = available if stop is None else self._nearest_sample("stop", stop, rate, available, gaps)
        if end < first:
            raise ValueError(f"{self.path}: stop is {stop} s, expected at least start, {start} s")
        return first, end - first

    def _nearest_sample(self, name: str, seconds: float, rate: Fraction, available: int, gaps: Gaps) -> int:
        # After a gap the last sample may end up to half a sample before the recording does.
        end = max(self.core.duration(_core_gaps(gaps)), float(available / rate) if rate else 0.0)
        tolerance = _SAMPLE_TOLERANCE / float(rate) if rate else 0.0
        if not -tolerance <= seconds <= end + tolerance:
            raise ValueError(f"{self.path}: {name} is {seconds} s, expected 0 to {end:g} s")
        return min(max(math.floor(Fraction(seconds) * rate + Fraction(1, 2)), 0), available)

    def close(self) -> None:
        """Closes the file; reading from a closed file raises a ValueError."""
        self._core = None

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
    """Opens an EDF, EDF+, BDF or BDF+ file. Reads only the header.

    Malformed fields whose meaning is certain are handled in memory and listed in `EdfFile.issues`:

    - The file size gives the number of data records; an incomplete last record is dropped.
    - The number of signals gives the header size. If that number is unreadable, the header size gives it.
    - Dates and times may have any separator; a second of 60 is the next minute. If the two dates differ, the one in the
      EDF+ recording field is used. `start_time` is None if no date or no time of day can be read.
    - Decimal commas are read as points and control bytes as spaces; text is ASCII, else UTF-8, else Latin-1.
    - If the physical or digital minimum equals its maximum, or one of the limits is blank, physical values are the
      digital values. A minimum above its maximum inverts the polarity. Values beyond the limits are kept.
    - A data record continues the one before if it starts within half a sample (or 1.1 ms) of its end, or if its onset
      cannot be read. If records of a discontinuous file overlap, the file can be read only with ``gaps="join"``, in
      file order. In a file marked as continuous, gaps are respected and overlaps are ignored.
    - Annotations end with their data record; those whose onset cannot be read are dropped.

    Raises:
        EdfError: the file is not in one of these formats, or its meaning is uncertain; the error gives the file, byte
            offset, field, value and expected value.
        OSError: the file cannot be opened.
    """
    return EdfFile(path)


def _unique_labels(labels: Sequence[str]) -> list[str]:
    repeated = {label for label, count in Counter(labels).items() if count > 1 or not label}
    used = set(labels)
    counts: Counter[str] = Counter()
    unique = []
    for label in labels:
        name = label
        while label in repeated and name in used:
            counts[label] += 1
            name = f"{label}#{counts[label]}"
        unique.append(name)
        used.add(name)
    return unique


def _core_gaps(gaps: str) -> _edf.Gaps:
    if gaps not in _GAPS:
        raise ValueError(f"gaps is {gaps!r}, expected 'error', 'nan' or 'join'")
    return _GAPS[gaps]


def _check_out(out: NDArray[Any], shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        found = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"out is {found}, expected {dtype} {shape}")
    rows_contiguous = out.shape[1] <= 1 or out.strides[1] == out.itemsize
    if not out.flags.writeable or not rows_contiguous or out.strides[0] % out.itemsize:
        raise ValueError("out is read-only or not contiguous, expected a writeable array with contiguous rows")


def _start_time(start: tuple[int, ...], offset: float) -> datetime | None:
    if not start:
        return None
    year, month, day, hour, minute, second = start
    return datetime(year, month, day, hour, minute, second) + timedelta(seconds=offset)
