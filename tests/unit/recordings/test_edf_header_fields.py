"""Dates, texts and numbers in the header, in standard and other forms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from edf_bytes import EdfBytes, Recording
from seizurekit.recordings.edf import EdfFile

Open = Callable[[EdfBytes | bytes], EdfFile]


def issue_fields(edf: EdfFile) -> list[str]:
    return [issue.field for issue in edf.issues]


def test_a_valid_file_has_no_issues(recording: Recording, opened: Open) -> None:
    assert opened(recording.plain()).issues == ()
    assert opened(recording.plus()).issues == ()


def test_the_fields_of_header_and_signals_are_attributes(recording: Recording, opened: Open) -> None:
    content = recording.plain().with_signal(1, transducer="AgAgCl", prefilter="HP:0.1Hz", dimension="mV")
    edf = opened(content.with_fields(patient="MCH-0234567 F 02-MAY-1951 Haagse_Harry"))
    channel = edf.channels[1]
    assert edf.patient == "MCH-0234567 F 02-MAY-1951 Haagse_Harry"
    assert edf.recording == "Startdate 02-MAR-2002 X X X"
    assert (channel.label, channel.name, channel.sampling_rate) == ("EEG FP2-REF", "Fp2", 8.0)
    assert (channel.transducer, channel.prefilter, channel.physical_dimension) == ("AgAgCl", "HP:0.1Hz", "mV")
    assert channel.physical_min < channel.physical_max
    assert channel.digital_min == -(1 << (15 if recording.format == "EDF" else 23))
    assert edf.channels[2].name == edf.channels[2].label == "IBI"
    assert edf.duration == 5.0


@pytest.mark.parametrize(("year", "full"), [("84", 2084), ("85", 1985), ("99", 1999), ("00", 2000)])
def test_years_85_to_99_are_in_the_twentieth_century(opened: Open, year: str, full: int) -> None:
    edf = opened(Recording("EDF").plain().with_fields(start_date=f"02.03.{year}"))
    assert edf.start_time == datetime(full, 3, 2, 9, 1, 17)


@pytest.mark.parametrize(
    ("date", "time"),
    [
        ("02:03:02", "09.01.17"),
        ("02-03-02", "09.01.17"),
        ("02/03/02", "09.01.17"),
        ("02 03 02", "09.01.17"),
        ("2.3.02", "9.1.17"),
        ("02.03.02", "09:01:17"),
        ("02.03.02", "09-01-17"),
    ],
)
def test_dates_and_times_with_other_separators_are_read_and_reported(
    recording: Recording, opened: Open, date: str, time: str
) -> None:
    edf = opened(recording.plain().with_fields(start_date=date, start_time=time))
    assert edf.start_time == datetime(2002, 3, 2, 9, 1, 17)
    assert set(issue_fields(edf)) == {
        field
        for field, text, standard in [
            ("startdate of recording", date, "02.03.02"),
            ("starttime of recording", time, "09.01.17"),
        ]
        if text != standard
    }


def test_the_tusz_date_with_colons_is_the_first_of_january_1985(opened: Open) -> None:
    edf = opened(Recording("EDF").plain().with_fields(start_date="01:01:85", recording="X"))
    assert edf.start_time == datetime(1985, 1, 1, 9, 1, 17)
    (issue,) = edf.issues
    assert (issue.byte_offset, issue.found, issue.used) == (168, "'01:01:85'", "1985-01-01")
    assert str(issue) == "byte 168: startdate of recording is '01:01:85'; read as 1985-01-01"


@pytest.mark.parametrize("date", ["00.00.00", "31.02.02", "32.01.02", "XX.XX.XX", "", "\0\0\0\0\0\0\0\0", "20020302"])
def test_an_invalid_date_gives_no_start_time(opened: Open, date: str) -> None:
    edf = opened(Recording("EDF").plain().with_fields(start_date=date, recording="X"))
    assert edf.start_time is None
    assert issue_fields(edf) == ["startdate of recording"]


@pytest.mark.parametrize("time", ["09.01.61", "09.60.00", "24.00.00", "ab.cd.ef", "", "-1.00.00", "23.59.60"])
def test_an_invalid_time_gives_no_start_time(recording: Recording, opened: Open, time: str) -> None:
    edf = opened(recording.plain().with_fields(start_time=time))
    assert edf.start_time is None
    assert issue_fields(edf) == ["starttime of recording"]


def test_second_60_is_the_next_minute(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plain().with_fields(start_time="09.59.60"))
    assert edf.start_time == datetime(2002, 3, 2, 10, 0, 0)
    assert issue_fields(edf) == ["starttime of recording"]


def test_the_date_in_the_recording_field_determines_the_century(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plus(recording="Startdate 02-MAR-2102 X X X", start_date="02.03.02"))
    assert edf.start_time == datetime(2102, 3, 2, 9, 1, 17)
    assert issue_fields(edf) == ["startdate of recording"]


def test_the_date_in_the_recording_field_replaces_an_invalid_one(recording: Recording, opened: Open) -> None:
    for content in (recording.plus(start_date="00.00.00"), recording.plain().with_fields(start_date="00.00.00")):
        edf = opened(content)
        assert edf.start_time == datetime(2002, 3, 2, 9, 1, 17)
        assert issue_fields(edf) == ["startdate of recording"]


@pytest.mark.parametrize("written", ["31-FEB-2020", "2-MAR-2002", "02-MRZ-2002", "02.03.2002", "00-JAN-0000"])
def test_an_invalid_edf_plus_date_falls_back_to_the_legacy_field(
    recording: Recording, opened: Open, written: str
) -> None:
    edf = opened(recording.plus(recording=f"Startdate {written} X X X"))
    assert edf.start_time == datetime(2002, 3, 2, 9, 1, 17)
    assert issue_fields(edf) == ["local recording identification"]


def test_the_legacy_field_is_used_if_the_edf_plus_date_is_unknown(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plus(recording="Startdate X X X X"))
    assert edf.start_time == datetime(2002, 3, 2, 9, 1, 17)
    assert edf.issues == ()


@pytest.mark.parametrize(
    ("raw", "text"),
    [("Müller é".encode(), "Müller é"), ("Müller é".encode("latin-1"), "Müller é"), (b"\xe2\x82", "â\x82")],
)
def test_text_that_is_not_ascii_is_utf8_or_else_latin1_and_reported(
    recording: Recording, opened: Open, raw: bytes, text: str
) -> None:
    edf = opened(recording.plain().with_fields(patient=raw).with_signal(0, dimension="µV".encode("latin-1")))
    assert edf.patient == text
    assert edf.channels[0].physical_dimension == "µV"
    assert issue_fields(edf) == ["local patient identification", "physical dimension of signal 1"]


def test_control_bytes_in_text_are_read_as_spaces_and_reported(recording: Recording, opened: Open) -> None:
    content = recording.plain().with_fields(patient=b"X\0X\x07X\0\0").with_signal(0, label=b"EEG FP1-REF\0\0\0\0\0")
    edf = opened(content)
    assert edf.patient == "X X X"
    assert edf.channels[0].name == "Fp1"
    assert issue_fields(edf) == ["local patient identification", "label of signal 1"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("physical_min", "-3276,8"), ("physical_max", b"3276.7\0\0"), ("digital_min", "-32768.0"), ("samples", b"8\0")],
)
def test_numbers_with_commas_or_control_bytes_are_read_and_reported(opened: Open, field: str, value: str) -> None:
    valid = Recording("EDF").plain()
    expected = opened(valid).read([0, 1])
    edf = opened(valid.with_signal(0, **{field: value}))
    assert len(edf.issues) == 1
    assert (edf.read([0, 1]) == expected).all()


def test_a_record_duration_with_a_comma_is_read_and_reported(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plain().with_fields(record_duration="0,5"))
    assert edf.channels[0].sampling_rate == 16.0
    assert edf.duration == 2.5
    assert issue_fields(edf) == ["duration of a data record"]


def test_numbers_may_have_sign_spaces_and_exponent(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plain().with_fields(record_duration=" +1e1").with_signal(0, physical_max="+3e3"))
    assert edf.channels[0].sampling_rate == 0.8
    assert edf.channels[0].physical_max == 3000.0
    assert edf.issues == ()
