"""Reading annotation files of TUSZ and of other tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import seizurekit as sk
from seizurekit.errors import AnnotationError
from seizurekit.recordings.annotations import Annotations, Event, parse_annotations

HEADER = "channel,start_time,stop_time,label,confidence"
COMMENTS = "# version = csv_v1.0.0\n# bname = a\n# duration = 100.00 secs\n# montage_file = x\n#\n"
PLAIN = f"{COMMENTS}{HEADER}\nTERM,0.0000,10.5000,bckg,1.0000\nTERM,10.5000,20.2500,seiz,0.9000\n"
EVENTS = (Event(0.0, 10.5, "bckg"), Event(10.5, 20.25, "seiz", confidence=0.9))


def parse(text: str | bytes, name: str = "a.csv_bi") -> Annotations:
    return parse_annotations(text.encode() if isinstance(text, str) else text, name)


def with_rows(*rows: str) -> str:
    return "\n".join([COMMENTS + HEADER, *rows, ""])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: s.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda s: s.replace("\n", "\r"), id="CR"),
        pytest.param(lambda s: "\ufeff" + s, id="byte-order mark"),
        pytest.param(lambda s: s.replace(",", " , ").replace("\n", "  \n\n \t\n"), id="spaces"),
        pytest.param(lambda s: s.replace("TERM", '"TERM"').replace("seiz", ' "seiz" '), id="quotes"),
        pytest.param(
            lambda s: s.replace("0000\n", "0000,,\n").replace("secs", "secs,,,"), id="empty fields at the end"
        ),
        pytest.param(lambda s: s.rstrip("\n"), id="no newline at the end"),
        pytest.param(lambda s: s.removeprefix(COMMENTS) + COMMENTS, id="comments at the end"),
        pytest.param(lambda s: "".join(reversed(COMMENTS.splitlines(True))) + s.removeprefix(COMMENTS), id="any order"),
        pytest.param(lambda s: s.replace("# dur", "#dur").replace("100.00 secs", "100s"), id="duration without spaces"),
        pytest.param(
            lambda s: s.replace("# duration = 100.00 secs", '"# Duration = 1e2 seconds"'), id="a quoted comment"
        ),
        pytest.param(lambda s: s.replace("= x", '= "x, "y'), id="an open quote in a comment"),
        pytest.param(lambda s: s.replace("seiz", "SEIZ").replace("channel", "Channel"), id="capitals"),
        pytest.param(lambda s: s.replace("10.5000", "+1.05e1").replace("0.0000", "0"), id="other numerals"),
    ],
)
def test_differences_in_form_change_nothing_and_give_no_message(change: Callable[[str], str]) -> None:
    annotations = parse(change(PLAIN))
    assert annotations.events == EVENTS
    assert annotations.duration == 100.0
    assert annotations.messages == ()


def test_columns_may_have_any_order_and_others_are_ignored() -> None:
    annotations = parse("# duration = 9 secs\nlabel,rater,stop_time,start_time\nseiz,me,2,1\n")
    assert annotations.events == (Event(1.0, 2.0, "seiz", "TERM", 1.0),)
    assert annotations.messages == ()


@pytest.mark.parametrize(
    ("text", "events", "message"),
    [
        (f"{HEADER}\nTERM,1,2,seiz,1\n", [(1, 2, "seiz")], "no '# duration' line"),
        (COMMENTS + "TERM,1,2,seiz,1\n", [(1, 2, "seiz")], "no header row, assuming channel,start_time"),
        (COMMENTS + "TERM,1,2,seiz\n", [(1, 2, "seiz")], "no header row"),
        (with_rows(), [], "no events in the table"),
        (with_rows("TERM,1,2,mystery,1"), [(1, 2, "mystery")], "unknown label kept: line 7, mystery TERM"),
        (with_rows("TERM,-5,2,seiz,1"), [(0, 2, "seiz")], "clipped to start at 0 s: line 7, seiz"),
        (with_rows("TERM,-5,-2,seiz,1"), [], "before 0 s dropped: line 7"),
        (with_rows("TERM,-5,0,seiz,1"), [], "before 0 s dropped: line 7"),
        (with_rows("TERM,2,2,seiz,1"), [], "without length dropped: line 7"),
        (
            with_rows("TERM,90,101,seiz,1"),
            [(90, 100, "seiz")],
            "clipped to the duration, 100 s: seiz TERM 90.0000 to 101",
        ),
        (with_rows("TERM,100,101,seiz,1"), [], "after the duration, 100 s, dropped: seiz TERM 100.0000 to 101"),
        (with_rows("TERM,1,2,seiz,1", "TERM,1,2,seiz,1"), [(1, 2, "seiz")], "repeated row dropped"),
        (
            with_rows("TERM,1,5,seiz,1", "TERM,4,6,seiz,1"),
            [(1, 5, "seiz"), (4, 6, "seiz")],
            "overlaps an earlier one",
        ),
        (
            with_rows("TERM,1,9,bckg,1", "TERM,2,3,seiz,1"),
            [(1, 9, "bckg"), (2, 3, "seiz")],
            "overlaps an earlier one",
        ),
    ],
)
def test_each_change_to_the_events_and_each_oddity_is_reported_once(
    text: str, events: list[tuple[float, float, str]], message: str
) -> None:
    annotations = parse(text)
    assert [(e.start, e.stop, e.label) for e in annotations.events] == events
    assert message in "\n".join(annotations.messages)
    assert sum(message in each for each in annotations.messages) == 1


def test_events_are_sorted_by_start_stop_and_channel() -> None:
    rows = ["C3-CZ,5,9,seiz,1", "TERM,1,8,bckg,1", "C3-CZ,1,7,bckg,1", "C3-CZ,1,8,bckg,1"]
    events = parse(with_rows(*rows)).events
    expected = [(1, 7, "C3-CZ"), (1, 8, "C3-CZ"), (1, 8, "TERM"), (5, 9, "C3-CZ")]
    assert [(e.start, e.stop, e.channel) for e in events] == expected


def test_an_event_that_overlaps_one_before_the_previous_is_reported() -> None:
    annotations = parse(with_rows("TERM,0,10,bckg,1", "TERM,1,2,seiz,1", "TERM,5,6,seiz,1"))
    (message,) = annotations.messages
    assert message.endswith("seiz TERM 1.0000 to 2.0000 s; seiz TERM 5.0000 to 6.0000 s")


def test_a_thousand_odd_rows_make_one_message() -> None:
    annotations = parse(with_rows(*(f"TERM,{i / 20:.4f},{(i + 1) / 20:.4f},odd{i},1" for i in range(1000))))
    assert len(annotations.events) == 1000
    assert len(annotations.messages) == 1
    assert annotations.messages[0].endswith("and 997 more")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("TERM,5,4,seiz,1", "stop_time is '4'"),
        ("TERM,nan,4,seiz,1", "start_time is 'nan'"),
        ("TERM,1,inf,seiz,1", "stop_time is 'inf'"),
        ("TERM,1,1e999,seiz,1", "stop_time is '1e999'"),
        ("TERM,1_0,20,seiz,1", "start_time is '1_0'"),
        ("TERM,one,4,seiz,1", "start_time is 'one'"),
        ("TERM,,4,seiz,1", "start_time is ''"),
        ('TERM,"1,5",4,seiz,1', "start_time is '1,5'"),
        ("TERM,1,4,,1", "label is empty"),
        ("TERM,1,4,seiz,high", "confidence is 'high'"),
        ("TERM,1,4,seiz,-1", "confidence is '-1'"),
        ("TERM,1,4,seiz,nan", "confidence is 'nan'"),
        ("TERM,1", "row has 2 fields"),
        ("TERM,1,5,4,0,seiz,1", "row has 7 fields"),
        ('TERM,"1,4,seiz,1', "row has 2 fields"),
        ("no table", "row has 1 fields"),
    ],
)
def test_a_row_that_could_hide_a_seizure_is_rejected_with_line_column_and_value(row: str, problem: str) -> None:
    with pytest.raises(AnnotationError) as raised:
        parse(with_rows("TERM,0,1,bckg,1", row))
    message = str(raised.value)
    assert message.startswith(f"a.csv_bi: line 8: {problem}")
    assert ", expected " in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "file is empty"),
        (b" \r\n\t ", "file is empty"),
        (PLAIN.encode("utf-16"), "text is UTF-16"),
        (PLAIN.encode("utf-16-be"), "byte 0 is NUL"),
        (b"0       patient" + b" " * 400, "'0       patient"),
        (b"\x89PNG\r\n", "byte 0 is 0x89"),
        (b"PK\x03\x04\x00", "byte 4 is NUL"),
        (COMMENTS.encode(), "no table"),
        (b"start_time,label\n1,seiz\n", "'start_time,label'"),
        (b"start_time,start_time,stop_time,label\n1,1,2,seiz\n", "'start_time,start_time"),
        (b"channel;start_time;stop_time;label;confidence\nTERM;1;2;seiz;1\n", "'channel;start_time"),
        (b"# duration = long\n", "'long'"),
        (b"# duration = -1 secs\n", "'-1 secs'"),
        (b"# duration = 10 min\n", "'10 min'"),
        (b"# duration = 1 s\n# duration = 2 s\n", "duration is 2 s, expected 1 s as in an earlier line"),
        (f"{HEADER}\nTERM,{'9' * 200_000},2,seiz,1".encode(), "field larger than field limit"),
    ],
)
def test_a_file_without_valid_annotations_is_rejected_with_the_reason(content: bytes, problem: str) -> None:
    with pytest.raises(AnnotationError) as raised:
        parse(content)
    assert str(raised.value).startswith("a.csv_bi: ")
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_is_read_from_its_path_and_errors_contain_the_path(tmp_path: Path) -> None:
    path = tmp_path / "a.csv_bi"
    path.write_text(PLAIN)
    assert sk.read_annotations(str(path)) == Annotations(path, 100.0, EVENTS, (), "csv_bi")
    path.write_text("")
    with pytest.raises(AnnotationError, match=r"a\.csv_bi"):
        sk.read_annotations(path)
    with pytest.raises(FileNotFoundError):
        sk.read_annotations(tmp_path / "nothing.csv")


def test_a_file_of_gigabytes_is_rejected_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(AnnotationError, match="file size is 1099511627776 bytes"):
        sk.read_annotations(path)


def test_seizures_of_a_csv_are_merged_over_its_channels() -> None:
    rows = [
        "FP1-F7,10,20,fnsz,0.5",
        "F7-T3,12,25,fnsz,0.9",
        "T3-T5,25,30,gnsz,0.8",
        "FP1-F7,40,50,cpsz,1",
        "O1-O2,0,99,artf,1",
    ]
    annotations = parse(with_rows(*rows), "a.csv")
    assert annotations.kind == "csv"
    assert annotations.seizures() == (Event(10, 30, "fnsz", "TERM", 0.9), Event(40, 50, "cpsz", "TERM", 1.0))
    assert annotations.seizures({"cpsz"}) == (Event(40, 50, "cpsz"),)
    assert annotations.seizures({"tnsz"}) == ()


def test_events_after_the_end_of_the_signal_are_clipped_and_reported() -> None:
    clipped = parse(PLAIN).clip(12.0)
    assert [(e.start, e.stop) for e in clipped.events] == [(0.0, 10.5), (10.5, 12.0)]
    assert clipped.messages == ("event clipped to the end of the signal, 12 s: seiz TERM 10.5000 to 20.2500 s",)
    assert clipped.duration == 100.0
    dropped = parse(PLAIN).clip(10.5)
    assert [e.label for e in dropped.events] == ["bckg"]
    assert dropped.messages == ("event after the end of the signal, 10.5 s, dropped: seiz TERM 10.5000 to 20.2500 s",)
    assert parse(PLAIN).clip(20.25) == parse(PLAIN)


def rows_and_duration(path: Path) -> tuple[list[tuple[str, float, float, str, float]], float]:
    """Rows and duration by a minimal parser, for well-formed files."""
    lines = path.read_text().splitlines()
    duration = next(float(line.split()[3]) for line in lines if line.startswith("# duration = "))
    rows = [line.split(",") for line in lines if line.startswith("TERM,")]
    return [(c, float(a), float(b), label, float(p)) for c, a, b, label, p in rows], duration


@pytest.mark.parametrize(("folder", "count"), [("tusz", 41), ("nedc/tusz12", 24), ("nedc/random40", 80)])
def test_every_real_file_gives_its_rows_and_its_duration(shared_data: Path, folder: str, count: int) -> None:
    paths = sorted((shared_data / folder).rglob("*.csv_bi"))
    assert len(paths) == count
    for path in paths:
        rows, duration = rows_and_duration(path)
        annotations = sk.read_annotations(path)
        assert annotations.duration == duration
        assert [(e.channel, e.start, e.stop, e.label, e.confidence) for e in annotations.events] == rows
        assert annotations.messages == ()


def test_the_number_of_reference_seizures_is_that_of_the_official_scorer(shared_data: Path) -> None:
    expected = json.loads((shared_data / "nedc/random40/expected.json").read_text())
    references = [sk.read_annotations(path) for path in (shared_data / "nedc/random40/ref").iterdir()]
    overlap = expected["OVERLAP"]
    assert sum(len(reference.seizures()) for reference in references) == overlap["tp"] + overlap["fn"]
    assert sum(reference.duration or 0.0 for reference in references) == expected["duration_s"]
