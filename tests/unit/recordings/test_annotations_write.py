"""Writing csv_bi files in the form that TUSZ's readers and the official scorer expect."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seizurekit.recordings.annotations import Event, read_annotations
from seizurekit.recordings.annotations_write import write_csv_bi


def test_seizures_are_written_with_background_between_them(tmp_path: Path) -> None:
    path = tmp_path / "aaaaaaaa_s001_t000.csv_bi"
    write_csv_bi(path, [Event(30, 40.12346, "fnsz", "FP1-F7", 0.5), Event(10.0, 20.0, "seiz")], 60.0)
    assert path.read_bytes() == (
        b"# version = csv_v1.0.0\n"
        b"# bname = aaaaaaaa_s001_t000\n"
        b"# duration = 60.0000 secs\n"
        b"# montage_file = $NEDC_NFC/lib/nedc_eas_default_montage.txt\n"
        b"#\n"
        b"channel,start_time,stop_time,label,confidence\n"
        b"TERM,0.0000,10.0000,bckg,1.0000\n"
        b"TERM,10.0000,20.0000,seiz,1.0000\n"
        b"TERM,20.0000,30.0000,bckg,1.0000\n"
        b"TERM,30.0000,40.1235,seiz,0.5000\n"
        b"TERM,40.1235,60.0000,bckg,1.0000\n"
    )


@pytest.mark.parametrize(
    ("events", "rows"),
    [
        ([], ["TERM,0.0000,60.0000,bckg,1.0000"]),
        ([Event(-1e-9, 60.00001, "seiz")], ["TERM,0.0000,60.0000,seiz,1.0000"]),
        (
            [Event(0, 30, "seiz"), Event(30, 60, "seiz")],
            ["TERM,0.0000,30.0000,seiz,1.0000", "TERM,30.0000,60.0000,seiz,1.0000"],
        ),
    ],
    ids=["none", "the whole recording", "touching"],
)
def test_rows_cover_the_whole_recording(events: list[Event], rows: list[str], tmp_path: Path) -> None:
    write_csv_bi(tmp_path / "a.csv_bi", events, 60.0)
    assert (tmp_path / "a.csv_bi").read_text().splitlines()[6:] == rows


@pytest.mark.parametrize(
    ("events", "duration", "message"),
    [
        ([Event(10, 20, "bckg")], 60.0, "label is 'bckg'"),
        ([Event(10, 70, "seiz")], 60.0, "seizure is 10.0000 to 70.0000 s, expected within 0.0000 to 60.0000 s"),
        ([Event(-1, 7, "seiz")], 60.0, "seizure is -1.0000 to 7.0000"),
        ([Event(1, 7, "seiz"), Event(6, 9, "seiz")], 60.0, "seizure is 6.0000 to 9.0000 s, expected within 7.0000"),
        ([Event(1, 1.00001, "seiz")], 60.0, "seizure is 1.0000 to 1.0000"),
        ([Event(math.nan, 7, "seiz")], 60.0, "seizure is nan to 7.0000"),
        ([], 0.0, "duration is 0.0"),
        ([], math.inf, "duration is inf"),
        ([], math.nan, "duration is nan"),
    ],
)
def test_invalid_events_are_rejected_and_nothing_is_written(
    events: list[Event], duration: float, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_csv_bi(tmp_path / "a.csv_bi", events, duration)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv_bi"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_csv_bi(path, [], 60.0)
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv_bi"]
    assert path.read_text() == "old"


def test_the_scorers_reference_files_are_written_byte_for_byte(shared_data: Path, tmp_path: Path) -> None:
    for source in sorted((shared_data / "nedc/random40/ref").glob("*.csv_bi")):
        annotations = read_annotations(source)
        copy = tmp_path / source.name
        write_csv_bi(copy, [e for e in annotations.events if e.label == "seiz"], annotations.duration or 0.0)
        assert copy.read_text().replace("$NEDC_NFC/lib/", "") == source.read_text()


ticks = st.lists(st.integers(0, 36_000_000), max_size=20, unique=True).map(sorted)


@given(ticks, st.floats(0, 1))
def test_written_events_are_read_back(tmp_path_factory: pytest.TempPathFactory, times: list[int], p: float) -> None:
    path = tmp_path_factory.mktemp("written") / "a.csv_bi"
    pairs = zip(times[::2], times[1::2], strict=False)
    events = tuple(Event(a / 1e4, b / 1e4, "seiz", "TERM", round(p, 4)) for a, b in pairs)
    write_csv_bi(path, events, 3600.0)
    annotations = read_annotations(path)
    assert tuple(event for event in annotations.events if event.label == "seiz") == events
    assert sum(event.stop - event.start for event in annotations.events) == pytest.approx(3600.0)
    assert annotations.duration == 3600.0
    assert annotations.messages == ()
