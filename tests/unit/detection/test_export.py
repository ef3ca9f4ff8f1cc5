"""Files of detected events, read back with the packages that users read them with."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import edfio
import mne
import pytest

import seizurekit as sk
from seizurekit.detection.export import Detection, write_detection
from seizurekit.errors import OutputError
from seizurekit.recordings.annotations import Event

TWO = Detection(
    "recording",
    600.5,
    datetime(2011, 3, 4, 5, 6, 7),
    0.75,
    (Event(1.0, 5.5, "seiz", confidence=0.8), Event(100.25, 133.0, "seiz", confidence=0.9321)),
)
NONE = replace(TWO, events=(), start_time=None)


def write(path: Path, detection: Detection) -> Path:
    write_detection(path, detection)
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_tsv_has_the_columns_and_rows_of_szcore(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", TWO)
    assert path.read_text().splitlines()[0] == "\t".join(
        ("onset", "duration", "eventType", "confidence", "channels", "dateTime", "recordingDuration")
    )
    first, second = rows(path)
    assert first == {
        "onset": "1.0000",
        "duration": "4.5000",
        "eventType": "sz",
        "confidence": "0.8000",
        "channels": "n/a",
        "dateTime": "2011-03-04 05:06:07",
        "recordingDuration": "600.5000",
    }
    assert (second["onset"], second["duration"]) == ("100.2500", "32.7500")


def test_tsv_without_events_has_one_row_of_background(tmp_path: Path) -> None:
    (row,) = rows(write(tmp_path / "a.tsv", NONE))
    assert (row["onset"], row["duration"], row["eventType"]) == ("0.0000", "600.5000", "bckg")
    assert (row["confidence"], row["dateTime"]) == ("n/a", "n/a")


def test_csv_bi_is_read_back_by_read_annotations(tmp_path: Path) -> None:
    annotations = sk.read_annotations(write(tmp_path / "a.csv_bi", TWO))
    assert annotations.duration == 600.5
    assert annotations.seizures() == TWO.events
    assert sk.read_annotations(write(tmp_path / "b.csv_bi", NONE)).seizures() == ()


def test_json_has_all_values(tmp_path: Path) -> None:
    content = json.loads(write(tmp_path / "a.json", TWO).read_text())
    assert content["recording"] == "recording"
    assert content["duration"] == 600.5
    assert content["start_time"] == "2011-03-04T05:06:07"
    assert content["threshold"] == 0.75
    assert content["events"][1] == {"start": 100.25, "stop": 133.0, "label": "seiz", "confidence": 0.9321}
    assert json.loads(write(tmp_path / "b.json", NONE).read_text())["events"] == []


def test_edf_is_read_by_edfio_mne_and_open_edf(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf", TWO)
    theirs = edfio.read_edf(path)
    assert [(a.onset, a.duration, a.text) for a in theirs.annotations] == [
        (1.0, 4.5, "seizure"),
        (100.25, 32.75, "seizure"),
    ]
    assert theirs.startdate.isoformat() == "2011-03-04"
    assert list(mne.read_annotations(path).onset) == [1.0, 100.25]
    assert [(a.onset, a.duration, a.text) for a in sk.open_edf(path).annotations] == [
        (1.0, 4.5, "seizure"),
        (100.25, 32.75, "seizure"),
    ]


def test_edf_without_events_has_a_background_annotation_and_early_dates_are_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf", NONE)
    (only,) = edfio.read_edf(path).annotations
    assert (only.onset, only.duration, only.text) == (0.0, 600.5, "bckg")
    early = replace(TWO, start_time=datetime(1970, 1, 1))
    assert len(edfio.read_edf(write(tmp_path / "b.edf", early)).annotations) == 2


@pytest.mark.parametrize("name", ["a.txt", "a", "a.tsv.gz", "a.EDFX"])
def test_an_unknown_suffix_is_rejected_with_the_list_of_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"expected one of \.tsv, \.csv_bi, \.json, \.edf"):
        write_detection(tmp_path / name, TWO)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["tsv", "csv_bi", "json", "edf", "TSV"])
def test_the_folder_is_created_and_holds_only_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "made" / f"a.{suffix}"
    write_detection(path, TWO)
    write_detection(path, NONE)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_failed_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").mkdir()
    with pytest.raises(OSError, match=r"a\.tsv"):
        write_detection(tmp_path / "a.tsv", TWO)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tsv"]
