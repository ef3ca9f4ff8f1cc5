"""EDF+D and BDF+D: data records with gaps between them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pytest

import seizurekit as sk
from edf_bytes import EdfBytes, Recording, tal
from seizurekit.recordings.edf import EdfFile

Open = Callable[[EdfBytes | bytes], EdfFile]
ONSETS = (0.5, 1.5, 10.5, 11.5, 20.75)  # from the header's time: gaps of 8 s and of 8.25 s


def with_onsets(recording: Recording, onsets: tuple[float, ...], kind: str = "D") -> EdfBytes:
    return recording.plus([tal(f"+{onset:.12g}", "") + tal(f"+{onset:.12g}", f"at {onset}") for onset in onsets], kind)


@pytest.fixture
def edf(recording: Recording, opened: Open) -> EdfFile:
    return opened(with_onsets(recording, ONSETS))


def test_duration_includes_gaps_and_times_start_with_the_first_record(edf: EdfFile) -> None:
    assert edf.is_discontinuous
    assert edf.duration == 21.25
    assert edf.start_time == datetime(2002, 3, 2, 9, 1, 17, 500_000)
    assert [a.onset for a in edf.annotations] == [0.0, 1.0, 10.0, 11.0, 20.25]
    assert edf.issues == ()


def test_gaps_are_read_as_nan_on_request(recording: Recording, edf: EdfFile) -> None:
    read = edf.read([0, 1], dtype="float64", gaps="nan")
    assert read.shape == (2, 170)
    expected = np.full(170, np.nan)
    stored = edf.read([0], dtype="float64", gaps="join")[0]
    for record, first in enumerate([0, 8, 80, 88, 162]):
        expected[first : first + 8] = stored[8 * record : 8 * record + 8]
    assert np.array_equal(read[0], expected, equal_nan=True)


def test_join_reads_only_the_stored_samples(recording: Recording, edf: EdfFile) -> None:
    joined = edf.read([0], dtype="int32", gaps="join")
    assert np.array_equal(joined[0], recording.digital[0].reshape(-1))
    assert np.array_equal(edf.read([0], 1.5, 3.25, "int32", gaps="join")[0], joined[0][12:26])
    with pytest.raises(ValueError, match="stop is"):
        edf.read([0], 0.0, 5.5, gaps="join")


@pytest.mark.parametrize(("start", "stop"), [(0.0, None), (1.5, 2.25), (1.0, 10.5), (5.0, 6.0), (11.5, 21.0)])
def test_a_range_with_a_gap_is_rejected_with_its_times(edf: EdfFile, start: float, stop: float | None) -> None:
    with pytest.raises(sk.EdfError, match=r"onset of data record \d+ is .* s, after a gap from .* s"):
        edf.read([0], start, stop)


@pytest.mark.parametrize(
    ("start", "stop", "first"), [(0.0, 2.0, 0), (10.0, 12.0, 16), (10.5, 11.5, 20), (20.25, None, 32)]
)
def test_a_range_without_a_gap_is_read(
    recording: Recording, edf: EdfFile, start: float, stop: float | None, first: int
) -> None:
    read = edf.read([0], start, stop, "int32")[0]
    assert np.array_equal(read, recording.digital[0].reshape(-1)[first : first + len(read)])
    assert len(read) > 0


@pytest.mark.parametrize(("start", "stop"), [(5.0, 6.0), (1.875, 10.25), (2.0, 10.0), (19.0, 21.25), (0.0, 0.25)])
def test_a_part_read_with_nan_equals_that_part_of_the_whole(edf: EdfFile, start: float, stop: float) -> None:
    whole = edf.read([0, 1], gaps="nan")
    part = edf.read([0, 1], start, stop, gaps="nan")
    assert np.array_equal(part, whole[:, round(start * 8) : round(stop * 8)], equal_nan=True)


def test_integers_with_gaps_nan_are_rejected(edf: EdfFile) -> None:
    with pytest.raises(ValueError, match="integers have no NaN"):
        edf.read([0], dtype="int32", gaps="nan")


def test_records_of_a_slow_channel_start_at_the_nearest_sample_and_can_be_read_to_the_end(
    recording: Recording, opened: Open
) -> None:
    edf = opened(with_onsets(recording, (0.0, 1.0, 2.2, 3.2, 7.9)))
    assert edf.duration == pytest.approx(8.9)
    read = edf.read(["IBI"], stop=edf.duration, gaps="nan", dtype="float64")[0]
    assert len(read) == 18
    assert np.array_equal(np.flatnonzero(~np.isnan(read)), [0, 1, 2, 3, 4, 5, 6, 7, 16, 17])


def test_a_discontinuous_file_without_gaps_reads_as_continuous(recording: Recording, opened: Open) -> None:
    edf = opened(with_onsets(recording, (3.0, 4.0, 5.0, 6.0, 7.0)))
    assert not edf.is_discontinuous
    assert edf.duration == 5.0
    assert np.array_equal(edf.read([0], dtype="int32")[0], recording.digital[0].reshape(-1))


def test_onsets_rounded_to_milliseconds_are_not_gaps(opened: Open) -> None:
    recording = Recording("EDF", rates=(5000, 5000, 1), records=5)
    edf = opened(with_onsets(recording, (0.0, 1.0, 2.001, 3.001, 4.002)))
    assert not edf.is_discontinuous
    assert edf.read([0]).shape == (1, 25000)


@pytest.mark.parametrize(
    ("onsets", "overlapping"),
    [((0, 1, 5, 3, 4), 4), ((0, 1, 1.5, 2.5, 3.5), 3), ((4, 3, 2, 1, 0), 2), ((0, 0, 0, 0, 0), 2)],
)
def test_records_that_overlap_or_go_back_in_time_are_read_only_with_gaps_join(
    recording: Recording, opened: Open, onsets: tuple[float, ...], overlapping: int
) -> None:
    edf = opened(with_onsets(recording, onsets))
    assert edf.is_discontinuous
    assert edf.duration == 5.0
    assert [issue.field for issue in edf.issues] == [f"onset of data record {overlapping}"]
    for gaps in ("error", "nan"):
        with pytest.raises(sk.EdfError, match="before the end of the previous data record"):
            edf.read([0], gaps=gaps)
    assert np.array_equal(edf.read([0], dtype="int32", gaps="join")[0], recording.digital[0].reshape(-1))


def test_gaps_in_a_file_marked_as_continuous_are_found_and_reported(recording: Recording, opened: Open) -> None:
    edf = opened(with_onsets(recording, ONSETS, kind="C"))
    assert edf.is_discontinuous
    assert edf.duration == 21.25
    assert [issue.field for issue in edf.issues] == ["reserved"]


def test_equal_onsets_in_a_continuous_file_are_ignored_and_reported(recording: Recording, opened: Open) -> None:
    edf = opened(with_onsets(recording, (0, 0, 0, 0, 0), kind="C"))
    assert not edf.is_discontinuous
    assert [issue.used for issue in edf.issues] == ["a continuous recording"]
    assert edf.read([0]).shape == (1, 40)


def test_a_discontinuous_file_without_annotation_signals_is_rejected(recording: Recording, opened: Open) -> None:
    with pytest.raises(sk.EdfError, match=r"byte 192: reserved is .*annotation signal"):
        opened(recording.plain().with_fields(reserved=f"{recording.format}+D"))


def test_a_gap_of_centuries_needs_no_memory_until_it_is_read(recording: Recording, opened: Open) -> None:
    edf = opened(with_onsets(recording, (0, 1, 2, 3, 9_999_999_999)))
    assert edf.duration == 10_000_000_000.0
    last = edf.read([0], start=9_999_999_999.0, dtype="int32")
    assert np.array_equal(last[0], recording.digital[0][4])
