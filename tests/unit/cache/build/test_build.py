"""Building a store: what its bytes depend on, what is rejected, and how unusable recordings are listed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seizurekit as sk
from seizurekit.cache.build.build_cache import BuildProgress
from seizurekit.cache.build.fill import fill, read_edf, thread_executor
from seizurekit.cache.build.plan import make_plan
from seizurekit.errors import CacheError, CorpusError, SeizurekitError
from seizurekit.locks import exclusive_lock
from seizurekit.recordings.corpus import find_recordings
from seizurekit.storage.local import LocalFolder

Files = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def corpus_copy(small_corpus: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_corpus, tmp_path / "edf")


def test_the_bytes_do_not_depend_on_the_number_of_workers(
    small_corpus: Path, small_store: Path, tmp_path: Path, files_of: Files
) -> None:
    for workers in (1, 3):
        sk.build_cache(small_corpus, tmp_path / str(workers), workers=workers)
        assert files_of(tmp_path / str(workers)) == files_of(small_store)


def test_a_finished_store_is_not_changed(small_corpus: Path, small_store: Path, files_of: Files) -> None:
    before = files_of(small_store)
    report = sk.build_cache(small_corpus, small_store)
    assert all(split.was_complete for split in report.splits)
    assert files_of(small_store) == before


def test_a_finished_store_of_other_recordings_is_not_changed(
    corpus_copy: Path, tmp_path: Path, files_of: Files
) -> None:
    sk.build_cache(corpus_copy, tmp_path / "cache", limit_files=1)
    before = files_of(tmp_path / "cache")
    with pytest.raises(CacheError, match=r"already contains a finished store of other recordings \(1 there"):
        sk.build_cache(corpus_copy, tmp_path / "cache")
    assert files_of(tmp_path / "cache") == before


def test_a_finished_store_of_another_chain_is_rejected(small_corpus: Path, small_store: Path) -> None:
    with pytest.raises(CacheError, match="notch"):
        sk.build_cache(small_corpus, small_store, chain=sk.Chain(notch=50.0))


class StopError(SeizurekitError):
    """Some error that ends a build."""


def stop_at(recording: int) -> Callable[[BuildProgress], None]:
    def show(progress: BuildProgress) -> None:
        if progress.recordings == recording:
            raise StopError("stopped")

    return show


@pytest.mark.parametrize("recording", [1, 2, 3])
def test_a_resumed_build_gives_the_same_bytes(
    small_corpus: Path, small_store: Path, tmp_path: Path, files_of: Files, recording: int
) -> None:
    with pytest.raises(StopError):
        sk.build_cache(small_corpus, tmp_path, split="train", workers=1, on_progress=stop_at(recording))
    with pytest.raises(CacheError, match="build incomplete: run the same build-cache command again to resume it"):
        sk.open_cache(tmp_path)
    sk.build_cache(small_corpus, tmp_path)
    assert files_of(tmp_path) == files_of(small_store)


def test_finished_units_are_counted_and_not_filled_again(small_corpus: Path, tmp_path: Path) -> None:
    plan = make_plan(find_recordings(small_corpus, "dev"), "dev", sk.Chain())

    def counted(read: Any) -> list[tuple[Any, Any]]:
        found: list[tuple[Any, Any]] = []
        fill(plan, small_corpus, LocalFolder(tmp_path), thread_executor(1), lambda *row: found.append(row), read)
        return found

    first = counted(read_edf)
    assert [planned for planned, _ in first] == list(plan.recordings)
    assert counted(None) == first


def test_a_build_that_an_earlier_version_started_is_resumed(corpus_copy: Path, tmp_path: Path, files_of: Files) -> None:
    recording = sorted((corpus_copy / "dev").rglob("*.edf"))[0]
    recording.write_bytes(b"PK" + recording.read_bytes()[2:])
    sk.build_cache(corpus_copy, tmp_path / "expected", split="dev")
    with pytest.raises(StopError):
        sk.build_cache(corpus_copy, tmp_path / "cache", split="dev", on_progress=stop_at(1))
    path = tmp_path / "cache" / "dev" / ".build" / "plan.json"
    plan = json.loads(path.read_text())
    assert plan["recordings"][0]["reason"] == ""
    plan["recordings"][0]["reason"] = "the error in the words of that revision"
    path.write_text(json.dumps(plan))
    sk.build_cache(corpus_copy, tmp_path / "cache", split="dev")
    assert files_of(tmp_path / "cache") == files_of(tmp_path / "expected")


def test_a_finished_store_of_an_earlier_version_is_complete(corpus_copy: Path, tmp_path: Path) -> None:
    recording = sorted((corpus_copy / "dev").rglob("*.edf"))[0]
    recording.write_bytes(b"PK" + recording.read_bytes()[2:])
    sk.build_cache(corpus_copy, tmp_path / "cache", split="dev")
    path = tmp_path / "cache" / "dev" / "zarr.json"
    group = json.loads(path.read_text())
    cache = sk.open_cache(tmp_path / "cache", "dev")
    plan = make_plan(find_recordings(corpus_copy, "dev"), "dev", sk.Chain())
    reasons = dict(zip(cache.recordings["id"].tolist(), cache.recordings["reason"].tolist(), strict=True))
    group["attributes"]["plan_hash"] = plan.earlier_hash(reasons)
    assert group["attributes"]["plan_hash"] != cache.attributes["plan_hash"]
    path.write_text(json.dumps(group))
    assert sk.build_cache(corpus_copy, tmp_path / "cache", split="dev").splits[0].was_complete


def test_an_unfinished_build_of_another_chain_is_rejected(small_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(StopError):
        sk.build_cache(small_corpus, tmp_path, split="train", on_progress=stop_at(1))
    with pytest.raises(CacheError, match=r"differs in the preprocessing chain \(.*'notch': 60\.0"):
        sk.build_cache(small_corpus, tmp_path, split="train", chain=sk.Chain(notch=50.0))


def test_a_second_build_at_the_same_time_is_rejected(small_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "dev" / ".build").mkdir(parents=True)
    with (
        exclusive_lock(tmp_path / "dev" / ".build" / "lock"),
        pytest.raises(CacheError, match="another build of this store is running"),
    ):
        sk.build_cache(small_corpus, tmp_path, split="dev")
    sk.build_cache(small_corpus, tmp_path, split="dev")


def test_a_recording_that_cannot_be_read_is_listed_and_has_no_windows(corpus_copy: Path, tmp_path: Path) -> None:
    recording = sorted((corpus_copy / "train").rglob("*.edf"))[0]
    recording.write_bytes(b"PK" + recording.read_bytes()[2:])
    report = sk.build_cache(corpus_copy, tmp_path / "cache")
    (failed,) = report.splits[0].failed
    assert failed[0] == recording.stem
    assert recording.name in failed[1]
    assert 0 < report.failed_share < 1
    cache = sk.open_cache(tmp_path / "cache")
    row = cache.recordings["id"].tolist().index(recording.stem)
    assert cache.recordings["status"][row] == "failed"
    assert row not in cache.windows().recording


def test_unreadable_annotations_fail_the_recording(corpus_copy: Path, tmp_path: Path) -> None:
    recording = sorted((corpus_copy / "train").rglob("*.csv_bi"))[0]
    recording.write_text("channel,start_time,stop_time,label,confidence\nTERM,ten,20,seiz,1\n")
    report = sk.build_cache(corpus_copy, tmp_path / "cache")
    ((name, reason),) = report.splits[0].failed
    assert name == recording.stem
    assert "start" in reason
    assert "'ten'" in reason
    columns = sk.open_cache(tmp_path / "cache").recordings
    row = columns["id"].tolist().index(name)
    assert np.isnan([columns["mean"][row], columns["std"][row]]).all()


def test_a_seizure_ends_with_its_recording(corpus_copy: Path, tmp_path: Path) -> None:
    for table in (corpus_copy / "dev").rglob("*.csv_bi"):
        table.write_text("channel,start_time,stop_time,label,confidence\nTERM,100,9999,seiz,1\n")
    sk.build_cache(corpus_copy, tmp_path / "cache", split="dev")
    cache = sk.open_cache(tmp_path / "cache", "dev")
    np.testing.assert_array_equal(cache.events["stop"], cache.recordings["samples"] / 256)


def test_a_recording_without_annotations_is_stored_but_has_no_windows(corpus_copy: Path, tmp_path: Path) -> None:
    recording = sorted((corpus_copy / "train").rglob("*.csv_bi"))[0]
    recording.unlink()
    recording.with_suffix(".csv").unlink(missing_ok=True)
    report = sk.build_cache(corpus_copy, tmp_path / "cache")
    assert report.splits[0].unlabelled == (recording.stem,)
    cache = sk.open_cache(tmp_path / "cache")
    row = cache.recordings["id"].tolist().index(recording.stem)
    assert cache.read(row).any()
    assert row not in cache.windows().recording


def test_a_patient_in_two_splits_stops_the_build(corpus_copy: Path, tmp_path: Path) -> None:
    patient = sorted((corpus_copy / "train").iterdir())[0]
    shutil.copytree(patient, corpus_copy / "dev" / patient.name)
    with pytest.raises(CorpusError, match=patient.name):
        sk.build_cache(corpus_copy, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_leftovers_of_a_killed_build_are_removed(
    small_corpus: Path, small_store: Path, tmp_path: Path, files_of: Files
) -> None:
    shards = tmp_path / "dev" / "signal" / "c" / "0"
    shards.mkdir(parents=True)
    for name in (".seizurekit-0.01234567.tmp", ".0.4711.tmp"):  # the second one as earlier revisions named it
        (shards / name).write_bytes(b"half a shard")
    sk.build_cache(small_corpus, tmp_path, split="dev")
    assert files_of(tmp_path / "dev") == files_of(small_store / "dev")


@pytest.mark.parametrize(("argument", "value"), [("executor", "cloud"), ("workers", 0)])
def test_invalid_arguments_are_rejected(small_corpus: Path, tmp_path: Path, argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{argument} is {value!r}"):
        sk.build_cache(small_corpus, tmp_path, **{argument: value})
