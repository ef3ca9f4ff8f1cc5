"""Repaired copies of malformed files: other readers accept them, and samples and annotations are the same."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest

import seizurekit as sk

MAIN = {
    "version": (0, 8),
    "patient": (8, 80),
    "recording": (88, 80),
    "date": (168, 8),
    "time": (176, 8),
    "header bytes": (184, 8),
    "reserved": (192, 44),
    "records": (236, 8),
    "duration": (244, 8),
    "signals": (252, 4),
}
SIGNAL = {
    "label": (0, 16),
    "transducer": (16, 80),
    "dimension": (96, 8),
    "physical min": (104, 8),
    "physical max": (112, 8),
    "digital min": (120, 8),
    "digital max": (128, 8),
    "prefilter": (136, 80),
    "samples": (216, 8),
}
SIGNALS = 4  # three ordinary ones and the annotation signal
RECORDS = 6
Malformation = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def valid() -> bytes:
    """An EDF+ file with three signals and two annotations, written by edfio."""
    random = np.random.default_rng(3)
    signals = [
        edfio.EdfSignal(
            random.normal(0, 50, RECORDS * rate),
            rate,
            label=label,
            physical_dimension="uV",
            physical_range=(-300, 300),
            digital_range=(-30000, 30000),
        )
        for label, rate in (("EEG FP1-REF", 64), ("EEG FP2-REF", 64), ("IBI", 2))
    ]
    return edfio.Edf(
        signals,
        recording=edfio.Recording(startdate=datetime.date(2003, 4, 5)),
        starttime=datetime.time(6, 7, 8),
        annotations=[edfio.EdfAnnotation(1.5, 2.0, "seizure"), edfio.EdfAnnotation(3.0, None, "eyes open")],
    ).to_bytes()


def span(field: str, signal: int | None) -> tuple[int, int]:
    if signal is None:
        return MAIN[field]
    before, width = SIGNAL[field]
    return 256 + before * SIGNALS + width * signal, width


def put(field: str, text: bytes, signal: int | None = None) -> Malformation:
    offset, width = span(field, signal)
    return lambda file: file[:offset] + text.ljust(width) + file[offset + width :]


def both(*steps: Malformation) -> Malformation:
    def apply(file: bytes) -> bytes:
        for step in steps:
            file = step(file)
        return file

    return apply


def replace(old: bytes, new: bytes) -> Malformation:
    def apply(file: bytes) -> bytes:
        assert len(old) == len(new)
        assert file.count(old) == 1
        return file.replace(old, new)

    return apply


MALFORMED: dict[str, Malformation] = {
    "version not ASCII": put("version", b"0\xa0"),
    "date with slashes": put("date", b"05/04/03"),
    "invalid date": put("date", b"99.99.99"),
    "date of zeros and no EDF+ date": both(put("date", b"00.00.00"), put("recording", b"Startdate X X X X")),
    "different dates": put("date", b"06.04.03"),
    "invalid EDF+ date": put("recording", b"Startdate 31-FEB-2003 X X X"),
    "time with colons": put("time", b"06:07:08"),
    "invalid time": put("time", b"25.61.99"),
    "seconds of sixty": put("time", b"06.07.60"),
    "header size wrong": put("header bytes", b"512"),
    "header size blank": put("header bytes", b""),
    "EDF+ without C or D": put("reserved", b"EDF+"),
    "annotation signal in a file that is not EDF+": put("reserved", b""),
    "annotation signal and identifications that are not EDF+": both(
        put("reserved", b""), put("patient", b"Jane Doe"), put("recording", b"ward 7")
    ),
    "NUL in the label of the annotation signal": put("label", b"EDF Annotations\0", 3),
    "digital limit blank": put("digital min", b"", 0),
    "record count unknown": put("records", b"-1"),
    "record count too large": put("records", b"9999"),
    "record count too small": put("records", b"2"),
    "comma in record duration": put("duration", b"1,0"),
    "NUL in record duration": put("duration", b"1\0\0\0"),
    "signal count blank": put("signals", b""),
    "last record cut": lambda file: file[:-10],
    "bytes after the last record": lambda file: file + b"more",
    "NUL in a label": put("label", b"EEG FP1-REF\0", 0),
    "label empty": put("label", b"", 1),
    "duplicate labels": put("label", b"EEG FP1-REF", 1),
    "label of UTF-8": put("label", "EEG é".encode(), 0),
    "transducer of Latin-1": put("transducer", b"\xc9lectrode", 0),
    "micro sign of Latin-1": put("dimension", b"\xb5V", 0),
    "control bytes in prefilter": put("prefilter", b"HP:0.1\x01\x02", 2),
    "comma in physical limit": put("physical max", b"300,0", 0),
    "physical limits equal": put("physical max", b"-300", 0),
    "physical limit blank": put("physical min", b"", 0),
    "digital limits equal": put("digital max", b"-30000", 1),
    "digital limits equal and physical ones blank": both(
        put("digital max", b"-30000", 1), put("physical min", b"", 1), put("physical max", b"", 1)
    ),
    "all limits swapped": both(
        put("digital min", b"30000", 0),
        put("digital max", b"-30000", 0),
        put("physical min", b"300", 0),
        put("physical max", b"-300", 0),
    ),
    "digital maximum one too large": both(
        put("digital min", b"-32768", 0),
        put("digital max", b"32768", 0),
        put("physical min", b"-3276.8", 0),
        put("physical max", b"3276.8", 0),
    ),
    "sample count with a decimal point": put("samples", b"64.0", 0),
    "patient not ASCII": put("patient", "X X X Müller".encode("latin-1")),
    "onset without a sign": replace(b"+1.5\x152\x14seizure\x14\0", b"1.5\x152\x14seizure\x14\0\0"),
    "onset with a comma": replace(b"+1.5\x152\x14seizure", b"+1,5\x152\x14seizure"),
    "annotation of Latin-1": replace(b"eyes open", b"yeux ferm"[:8] + b"\xe9"),
    "annotation without an onset": replace(b"+1.5\x152\x14seizure", b"?1.5\x152\x14seizure"),
    "invalid duration": replace(b"+1.5\x152\x14seizure", b"+1.5\x15?\x14seizure"),
    "time-keeping annotation missing": replace(b"+4\x14\x14\0", b"\0\0\0\0\0"),
}


@pytest.fixture(params=MALFORMED)
def malformed(request: pytest.FixtureRequest, valid: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "malformed.edf"
    path.write_bytes(MALFORMED[request.param](valid))
    return path


def samples_of(path: Path) -> list[np.ndarray]:
    edf = sk.open_edf(path)
    return [edf.read(channels=[position], dtype="float64")[0] for position in range(len(edf.channels))]


def annotations_of(path: Path) -> list[tuple[float, float | None, str]]:
    return [(a.onset, a.duration, a.text) for a in sk.open_edf(path).annotations]


def test_a_valid_file_is_copied_unchanged(valid: bytes, tmp_path: Path) -> None:
    path, copy = tmp_path / "valid.edf", tmp_path / "copy.edf"
    path.write_bytes(valid)
    assert sk.repair_edf(path, copy) == []
    assert copy.read_bytes() == valid


def test_a_repaired_copy_has_no_issues_and_each_repair_names_offset_and_change(malformed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.edf"
    assert sk.open_edf(malformed).issues
    repairs = sk.repair_edf(malformed, copy)
    assert repairs
    assert list(sk.open_edf(copy).issues) == []
    size = malformed.stat().st_size
    assert all(0 <= repair.byte_offset < size and repair.found != repair.written for repair in repairs)
    assert [repair.byte_offset for repair in repairs] == sorted(repair.byte_offset for repair in repairs)


def test_a_repaired_copy_has_the_same_samples_and_annotations(malformed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.edf"
    sk.repair_edf(malformed, copy)
    for before, after in zip(samples_of(malformed), samples_of(copy), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-9)
    assert annotations_of(copy) == annotations_of(malformed)


def test_pyedflib_reads_the_same_from_a_repaired_copy(malformed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.edf"
    sk.repair_edf(malformed, copy)
    with pyedflib.EdfReader(str(copy)) as reader:
        assert reader.signals_in_file == SIGNALS - 1
        for position, expected in enumerate(samples_of(malformed)):
            np.testing.assert_allclose(reader.readSignal(position), expected, rtol=1e-9, atol=1e-6)


def test_edfio_reads_the_same_from_a_repaired_copy(malformed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.edf"
    sk.repair_edf(malformed, copy)
    edf = edfio.read_edf(copy)
    for signal, expected in zip(edf.signals, samples_of(malformed), strict=True):
        np.testing.assert_allclose(signal.data, expected, rtol=1e-9, atol=1e-6)
    texts = [(annotation.onset, annotation.duration, annotation.text) for annotation in edf.annotations]
    assert texts == annotations_of(malformed)


def test_the_source_is_not_written(malformed: Path, tmp_path: Path) -> None:
    before = malformed.read_bytes(), malformed.stat().st_mtime_ns
    sk.repair_edf(malformed, tmp_path / "copy.edf")
    assert (malformed.read_bytes(), malformed.stat().st_mtime_ns) == before


def test_a_repaired_copy_needs_no_repair(malformed: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.edf", tmp_path / "second.edf"
    sk.repair_edf(malformed, first)
    assert sk.repair_edf(first, second) == []
    assert first.read_bytes() == second.read_bytes()


def test_swapped_digital_limits_become_inverted_polarity(valid: bytes, tmp_path: Path) -> None:
    path, copy = tmp_path / "swapped.edf", tmp_path / "copy.edf"
    path.write_bytes(both(put("digital min", b"30000", 0), put("digital max", b"-30000", 0))(valid))
    assert len(sk.repair_edf(path, copy)) == 4
    np.testing.assert_allclose(samples_of(copy)[0], samples_of(path)[0], rtol=1e-12, atol=1e-9)
    with pyedflib.EdfReader(str(copy)) as reader:
        np.testing.assert_allclose(reader.readSignal(0), samples_of(path)[0], rtol=1e-9, atol=1e-6)


def test_digital_limits_without_equivalent_ones_in_range_are_kept(valid: bytes, tmp_path: Path) -> None:
    path, copy = tmp_path / "wide.edf", tmp_path / "copy.edf"
    path.write_bytes(both(put("digital max", b"99999", 0), put("physical max", b"777.7777", 0))(valid))
    assert sk.repair_edf(path, copy) == []
    np.testing.assert_array_equal(samples_of(copy)[0], samples_of(path)[0])


def test_inverted_polarity_is_kept(valid: bytes, tmp_path: Path) -> None:
    path, copy = tmp_path / "inverted.edf", tmp_path / "copy.edf"
    path.write_bytes(both(put("physical min", b"300", 0), put("physical max", b"-300", 0))(valid))
    assert sk.repair_edf(path, copy) == []
    np.testing.assert_array_equal(samples_of(copy)[0], samples_of(path)[0])
