"""Malformed files are read and reported if their meaning is certain, else rejected."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import seizurekit as sk
from edf_bytes import WIDTHS, EdfBytes, Recording
from seizurekit.recordings.edf import EdfFile

Open = Callable[[EdfBytes | bytes], EdfFile]


def open_error(opened: Open, content: EdfBytes | bytes) -> sk.EdfError:
    with pytest.raises(sk.EdfError) as caught:
        opened(content)
    error = caught.value
    assert "\n" not in str(error)
    for part in (error.file, error.field, error.found, error.expected):
        assert part
        assert part in str(error)
    return error


def record_bytes(recording: Recording) -> int:
    return sum(recording.rates) * WIDTHS[recording.format]


@pytest.mark.parametrize("records", ["-1", "3", "9999", "", "many", b"5\0\0\0", "5.0"])
def test_a_wrong_record_count_is_replaced_by_that_of_the_file_size(
    recording: Recording, opened: Open, records: str | bytes
) -> None:
    edf = opened(recording.plain().with_fields(records=records))
    (issue,) = edf.issues
    assert (issue.byte_offset, issue.field) == (236, "number of data records")
    assert issue.used.startswith("5")
    assert np.array_equal(edf.read([0], dtype="int32"), recording.digital[0].reshape(1, -1))


def test_a_cut_last_record_is_dropped_and_its_size_reported(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plain().to_bytes()[:-4])
    left = record_bytes(recording) - 4
    assert edf.duration == 4.0
    assert [issue.field for issue in edf.issues] == ["number of data records", "size of the last data record"]
    assert edf.issues[1].byte_offset == 256 * 4 + 4 * record_bytes(recording)
    assert f"{left} bytes" in edf.issues[1].found
    assert np.array_equal(edf.read([0], dtype="int32"), recording.digital[0][:4].reshape(1, -1))


def test_bytes_after_the_last_record_are_ignored_and_reported(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plain().with_fields(tail=b"end"))
    (issue,) = edf.issues
    assert "3 bytes" in issue.found
    assert edf.duration == 5.0


@pytest.mark.parametrize("size", ["0", "", "256", "99999999", "garbage", "-1", "1024.0"])
def test_a_wrong_header_size_is_computed_from_the_signals(recording: Recording, opened: Open, size: str) -> None:
    edf = opened(recording.plain().with_fields(header_bytes=size))
    (issue,) = edf.issues
    assert (issue.byte_offset, issue.used) == (184, "1024")
    assert np.array_equal(edf.read([1], dtype="int32"), recording.digital[1].reshape(1, -1))


@pytest.mark.parametrize("count", ["", "abc", "0", "-3"])
def test_a_wrong_signal_count_is_computed_from_the_header_size(recording: Recording, opened: Open, count: str) -> None:
    edf = opened(recording.plain().with_fields(signal_count=count))
    assert [issue.byte_offset for issue in edf.issues] == [252]
    assert len(edf.channels) == 3


def test_a_file_without_number_of_signals_and_header_size_is_rejected(recording: Recording, opened: Open) -> None:
    error = open_error(opened, recording.plain().with_fields(signal_count="?", header_bytes="?"))
    assert (error.byte_offset, error.field, error.found) == (252, "number of signals", "'?'")


def test_channels_with_duplicate_labels_are_selected_by_index_or_unique_label(
    recording: Recording, opened: Open
) -> None:
    edf = opened(recording.plain().with_signal(0, label="T8-P8").with_signal(1, label="T8-P8"))
    assert [issue.field for issue in edf.issues] == ["label of signal 2"]
    assert [channel.unique_label for channel in edf.channels] == ["T8-P8#1", "T8-P8#2", "IBI"]
    assert np.array_equal(edf.read([1], dtype="int32"), edf.read("T8-P8#2", dtype="int32"))
    assert np.array_equal(edf.read([1], dtype="int32"), recording.digital[1].reshape(1, -1))
    with pytest.raises(ValueError, match=r"is ambiguous, expected one of 'T8-P8#1' at 0, 'T8-P8#2' at 1"):
        edf.read("T8-P8")


def test_channels_without_labels_are_selected_by_index_or_unique_label(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plain().with_signal(0, label="").with_signal(1, label=b"\0\0"))
    assert {issue.field for issue in edf.issues} == {"label of signal 1", "label of signal 2"}
    assert np.array_equal(edf.read(["#1", "#2"]), edf.read([0, 1]))


def test_the_only_empty_label_also_gets_a_unique_label(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plain().with_signal(1, label=""))
    assert [channel.unique_label for channel in edf.channels] == ["EEG FP1-REF", "#1", "IBI"]


def test_a_unique_label_is_never_another_signals_label(opened: Open) -> None:
    content = Recording("EDF").plain().with_signal(0, label="A").with_signal(1, label="A").with_signal(2, label="A#1")
    labels = [channel.unique_label for channel in opened(content).channels]
    assert labels == ["A#2", "A#3", "A#1"]


@pytest.mark.parametrize("limit", ["0", "-100", "250.5"])
def test_equal_physical_limits_give_digital_values(recording: Recording, opened: Open, limit: str) -> None:
    edf = opened(recording.plain().with_signal(0, physical_min=limit, physical_max=limit))
    (issue,) = edf.issues
    assert (issue.field, issue.used) == ("physical maximum of signal 1", "physical values equal to the digital values")
    assert np.array_equal(edf.read([0], dtype="float64"), recording.digital[0].reshape(1, -1))


def test_a_physical_minimum_above_the_maximum_is_inverted_polarity(recording: Recording, opened: Open) -> None:
    valid = opened(recording.plain()).read([0, 1], dtype="float64")
    limits = recording.plain().signals[0]
    content = recording.plain().with_signal(0, physical_min=limits.physical_max, physical_max=limits.physical_min)
    edf = opened(content)
    assert [issue.used for issue in edf.issues] == ["inverted polarity"]
    read = edf.read([0, 1], dtype="float64")
    middle = edf.channels[0].physical_min + edf.channels[0].physical_max
    np.testing.assert_allclose(read[0], middle - valid[0], atol=1e-6)
    assert np.array_equal(read[1], valid[1])


@pytest.mark.parametrize("limit", ["0", "-1", "32767"])
def test_equal_digital_limits_as_in_chbmit_give_digital_values(recording: Recording, opened: Open, limit: str) -> None:
    edf = opened(recording.plain().with_signal(1, label="-", digital_min=limit, digital_max=limit))
    assert [(issue.field, issue.used) for issue in edf.issues] == [
        ("digital maximum of signal 2", "physical values equal to the digital values")
    ]
    assert np.array_equal(edf.read([1], dtype="float64"), recording.digital[1].reshape(1, -1))


def test_swapped_digital_limits_give_the_line_through_both(recording: Recording, opened: Open) -> None:
    edf = opened(
        recording.plain().with_signal(0, digital_min="100", digital_max="-100", physical_min="-1", physical_max="1")
    )
    assert [issue.field for issue in edf.issues] == ["digital maximum of signal 1"]
    np.testing.assert_allclose(edf.read([0], dtype="float64"), recording.digital[0].reshape(1, -1) / -100.0)


def test_a_digital_range_wider_than_the_samples_is_kept_and_reported(opened: Open) -> None:
    recording = Recording("EDF")
    edf = opened(recording.plain().with_signal(0, digital_max="65535", physical_min="-32768", physical_max="65535"))
    assert [issue.field for issue in edf.issues] == ["digital maximum of signal 1"]
    assert np.array_equal(edf.read([0], dtype="float64"), recording.digital[0].reshape(1, -1))


def test_digital_values_out_of_range_are_not_clipped(recording: Recording, opened: Open) -> None:
    narrow = {"digital_min": "-10", "digital_max": "10", "physical_min": "-10", "physical_max": "10"}
    edf = opened(recording.plain().with_signal(0, **narrow))
    np.testing.assert_allclose(edf.read([0], dtype="float64"), recording.digital[0].reshape(1, -1), rtol=1e-12)


def test_blank_limits_give_digital_values(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plain().with_signal(0, physical_min="", physical_max=""))
    assert [issue.used for issue in edf.issues] == ["physical values equal to the digital values"]
    assert np.array_equal(edf.read([0], dtype="float64"), recording.digital[0].reshape(1, -1))


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("physical_min", "low", "physical minimum of signal 2"),
        ("physical_max", "nan", "physical maximum of signal 2"),
        ("physical_max", "inf", "physical maximum of signal 2"),
        ("digital_min", "1.5", "digital minimum of signal 2"),
        ("digital_max", "1,000", "digital maximum of signal 2"),
        ("samples", "-8", "number of samples in each data record of signal 2"),
        ("samples", "8x", "number of samples in each data record of signal 2"),
        ("samples", "", "number of samples in each data record of signal 2"),
        ("physical_max", "1e400", "physical maximum of signal 2"),
    ],
)
def test_invalid_numbers_are_rejected(recording: Recording, opened: Open, field: str, value: str, name: str) -> None:
    error = open_error(opened, recording.plain().with_signal(1, **{field: value}))
    assert error.field == name
    assert error.found == f"'{value}'"
    assert error.byte_offset is not None
    assert error.byte_offset >= 256


def test_physical_limits_with_an_infinite_range_are_rejected(recording: Recording, opened: Open) -> None:
    error = open_error(opened, recording.plain().with_signal(0, physical_min="-1e308", physical_max="1e308"))
    assert error.field == "physical maximum of signal 1"


@pytest.mark.parametrize("duration", ["-1", "", "soon", "1.0.0", "nan"])
def test_an_invalid_record_duration_is_rejected(recording: Recording, opened: Open, duration: str) -> None:
    error = open_error(opened, recording.plain().with_fields(record_duration=duration))
    assert (error.byte_offset, error.field) == (244, "duration of a data record")


def test_a_record_duration_of_zero_is_rejected_if_there_are_samples(recording: Recording, opened: Open) -> None:
    assert open_error(opened, recording.plain().with_fields(record_duration="0")).field == "duration of a data record"


def test_a_signal_without_samples_is_reported_and_remains_a_channel(recording: Recording, opened: Open) -> None:
    content = recording.plain()
    edf = opened(content.with_signal(2, data=[b""] * recording.records))
    assert edf.channels[2].sampling_rate == 0.0
    assert [issue.field for issue in edf.issues] == ["number of samples in each data record of signal 3"]
    assert edf.read([2]).shape == (1, 0)
    assert np.array_equal(edf.read([1], dtype="int32"), recording.digital[1].reshape(1, -1))


@pytest.mark.parametrize("version", [b"0\0\0\0\0\0\0\0", b"0\xa0      ", b"\xef\xbb\xbf0    ", b"        ", b"\0" * 8])
def test_an_unusual_edf_version_is_read_and_reported(opened: Open, version: bytes) -> None:
    recording = Recording("EDF")
    edf = opened(recording.plain().with_fields(version=version))
    assert [issue.byte_offset for issue in edf.issues] == [0]
    assert np.array_equal(edf.read([0], dtype="int16"), recording.digital[0].reshape(1, -1))


@pytest.mark.parametrize("version", [b"\xffBiosemi", b"\xfeBIOSEMI", b" BIOSEMI", b"\xff       "])
def test_an_unusual_bdf_version_is_read_and_reported(opened: Open, version: bytes) -> None:
    recording = Recording("BDF")
    edf = opened(recording.plain().with_fields(version=version))
    assert [issue.byte_offset for issue in edf.issues] == [0]
    assert np.array_equal(edf.read([0], dtype="int32"), recording.digital[0].reshape(1, -1))


@pytest.mark.parametrize("version", ["1", "EDF", "GDF 2.10", "%PDF-1.7", b"\x89HDF\r\n\x1a\n"])
def test_another_version_is_rejected(recording: Recording, opened: Open, version: str | bytes) -> None:
    error = open_error(opened, recording.plain().with_fields(version=version))
    assert (error.byte_offset, error.field) == (0, "version")


def test_the_error_names_other_formats(recording: Recording, opened: Open, tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("recording.edf", recording.plain().to_bytes())
    assert "ZIP" in open_error(opened, archive.read_bytes()).found
    assert "gzip" in open_error(opened, gzip.compress(recording.plain().to_bytes())).found


@pytest.mark.parametrize("size", [0, 1, 255])
def test_a_file_shorter_than_the_main_header_is_rejected(recording: Recording, opened: Open, size: int) -> None:
    error = open_error(opened, recording.plain().to_bytes()[:size])
    assert (error.field, error.found) == ("file size", f"{size} bytes")


def test_a_file_without_data_records_is_rejected(recording: Recording, opened: Open) -> None:
    error = open_error(opened, recording.plain().with_fields(records="0").header())
    assert (error.field, error.found) == ("size of the data records", "0 bytes")
    assert str(record_bytes(recording)) in error.expected


def test_less_than_one_data_record_is_rejected(recording: Recording, opened: Open) -> None:
    content = recording.plain().to_bytes()
    assert open_error(opened, content[: 256 * 4 + record_bytes(recording) - 1]).field == "size of the data records"


def test_a_cut_header_is_rejected(recording: Recording, opened: Open) -> None:
    assert open_error(opened, recording.plain().to_bytes()[: 256 * 3]).field == "number of signals"


def test_an_unreadable_path_is_an_oserror_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere") as missing:
        sk.open_edf(tmp_path / "nowhere.edf")
    assert missing.value.filename == str(tmp_path / "nowhere.edf")
    with pytest.raises(IsADirectoryError):
        sk.open_edf(tmp_path)


def test_a_device_is_rejected() -> None:
    with pytest.raises(sk.EdfError, match="regular file"):
        sk.open_edf("/dev/null")
