"""Annotations of EDF+ and BDF+, and the fraction of a second of the start time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pytest

from edf_bytes import EdfBytes, Recording, annotation_signal, tal
from seizurekit.recordings.edf import EdfAnnotation, EdfFile

Open = Callable[[EdfBytes | bytes], EdfFile]


def records(*extra: bytes, count: int = 5, offset: float = 0.0) -> list[bytes]:
    """The time-keeping TAL of each data record; the second record has `extra` after it."""
    tals = [tal(f"+{record + offset:g}", "") for record in range(count)]
    tals[1] += b"".join(extra)
    return tals


def test_annotations_have_onset_duration_and_text(recording: Recording, opened: Open) -> None:
    extra = [tal("+1.25", "Seizure", duration="2.5"), tal("+1", "Eyes open"), tal("-0.5", "before the start")]
    edf = opened(recording.plus(records(*extra)))
    assert edf.annotations == (
        EdfAnnotation(-0.5, None, "before the start"),
        EdfAnnotation(1.0, None, "Eyes open"),
        EdfAnnotation(1.25, 2.5, "Seizure"),
    )
    assert edf.issues == ()
    assert len(edf.channels) == 3


def test_several_texts_with_one_onset_are_several_annotations(recording: Recording, opened: Open) -> None:
    tals = records(tal("+1.5", "one", "two"))
    tals[0] = tal("+0", "", "with the time-keeping")
    edf = opened(recording.plus(tals))
    assert [(a.onset, a.text) for a in edf.annotations] == [(0.0, "with the time-keeping"), (1.5, "one"), (1.5, "two")]


def test_several_annotation_signals_are_all_read(recording: Recording, opened: Open) -> None:
    content = recording.plus(records(tal("+1.5", "first")))
    more = annotation_signal([tal("+0.5", "second"), *[b""] * 3, tal("+4", "third")], recording.format)
    edf = opened(content.with_fields(signals=[content.signals[3], *content.signals[:3], more]))
    assert [a.text for a in edf.annotations] == ["second", "first", "third"]
    assert edf.issues == ()
    assert np.array_equal(edf.read([1], dtype="int32"), recording.digital[1].reshape(1, -1))


def test_a_fraction_of_a_second_is_added_to_the_start_time_and_subtracted_from_the_onsets(
    recording: Recording, opened: Open
) -> None:
    edf = opened(recording.plus(records(tal("+1.75", "Spike"), offset=0.25)))
    assert edf.start_time == datetime(2002, 3, 2, 9, 1, 17, 250_000)
    assert edf.annotations == (EdfAnnotation(1.5, None, "Spike"),)
    assert edf.duration == 5.0
    assert not edf.is_discontinuous


def test_text_is_utf8_or_else_latin1_and_reported(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plus(records(tal("+1", "Anfälle µV 発作"), tal("+2", "Anfälle", encoding="latin-1"))))
    assert [a.text for a in edf.annotations] == ["Anfälle µV 発作", "Anfälle"]
    assert [issue.field for issue in edf.issues] == ["annotation text"]


def test_an_onset_without_sign_or_with_a_comma_is_read_and_reported(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plus(records(tal("2", "no sign"), tal("+2,5", "comma", duration="0,5"))))
    assert [(a.onset, a.duration, a.text) for a in edf.annotations] == [(2.0, None, "no sign"), (2.5, 0.5, "comma")]
    assert [(issue.field, issue.used) for issue in edf.issues] == [
        ("annotation onset", "2 s"),
        ("annotation onset", "2.5 s"),
    ]


@pytest.mark.parametrize("onset", ["+x", "", "+", "+1.2.3", "+1e5", "+99999999999", "nan", "+-1"])
def test_an_annotation_without_a_valid_onset_is_skipped_and_reported(
    recording: Recording, opened: Open, onset: str
) -> None:
    edf = opened(recording.plus(records(tal(onset, "lost"), tal("+2", "kept"))))
    assert [a.text for a in edf.annotations] == ["kept"]
    assert [issue.field for issue in edf.issues] == ["annotation onset"]
    assert edf.issues[0].byte_offset > 256 * 5


def test_an_annotation_with_an_invalid_duration_is_kept_and_reported(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plus(records(tal("+2", "kept", duration="long"))))
    assert edf.annotations == (EdfAnnotation(2.0, None, "kept"),)
    assert [issue.field for issue in edf.issues] == ["annotation duration"]


def test_text_that_ends_with_the_data_record_is_kept_and_reported(recording: Recording, opened: Open) -> None:
    tals = records(b"+1.5\x14a text that is longer than its record")
    signal = annotation_signal([data[:24] for data in tals], recording.format, size=24)
    edf = opened(recording.plain().with_fields(signals=[*recording.plain().signals, signal], reserved="EDF+C"))
    (annotation,) = edf.annotations
    assert (annotation.onset, annotation.text) == (1.5, "a text that is")
    assert [issue.field for issue in edf.issues] == ["annotation text"]


def test_edf_plus_without_annotation_signals_is_continuous_and_reported(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plain().with_fields(reserved=f"{recording.format}+C"))
    assert edf.annotations == ()
    assert not edf.is_discontinuous
    assert [issue.byte_offset for issue in edf.issues] == [192]
    assert edf.read([0]).shape == (1, 40)


def test_an_annotation_signal_in_plain_edf_is_read_and_reported(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plus(records(tal("+2", "here"))).with_fields(reserved=""))
    assert [a.text for a in edf.annotations] == ["here"]
    assert [issue.field for issue in edf.issues] == ["reserved"]


@pytest.mark.parametrize("duration", ["0", "1"])
def test_records_of_a_file_without_samples_may_have_no_duration(
    recording: Recording, opened: Open, duration: str
) -> None:
    signal = annotation_signal([tal("+0", "") + tal("+7", "the only one")], recording.format)
    edf = opened(EdfBytes([signal], recording.format, reserved=f"{recording.format}+C", record_duration=duration))
    assert edf.channels == ()
    assert edf.duration == float(duration)
    assert edf.annotations == (EdfAnnotation(7.0, None, "the only one"),)
    assert edf.issues == ()
    assert edf.read().shape == (0, 0)


def test_records_without_a_time_keeping_annotation_follow_the_previous_one_and_are_reported(
    recording: Recording, opened: Open
) -> None:
    tals = records()
    tals[2] = b""
    edf = opened(recording.plus(tals, kind="D"))
    assert not edf.is_discontinuous
    assert [issue.field for issue in edf.issues] == ["time-keeping annotation of data record 3"]


def test_only_the_first_thousand_annotation_issues_are_reported(opened: Open) -> None:
    recording = Recording("EDF", rates=(1, 1, 1), records=1500)
    edf = opened(recording.plus([b"rubbish"] * 1500))
    assert len(edf.issues) == 1001
    assert (edf.issues[-1].field, edf.issues[-1].found) == ("number of annotation issues", "3000")
    assert edf.issues[-1].used == "the first 1000; 2000 more annotation issues are not listed"


def test_spaces_after_the_last_annotation_are_padding(recording: Recording, opened: Open) -> None:
    tals = [each.ljust(24) for each in records()]
    edf = opened(recording.plus(tals))
    assert edf.annotations == ()
    assert edf.issues == ()
