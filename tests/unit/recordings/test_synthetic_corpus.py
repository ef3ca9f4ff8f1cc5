"""A synthetic corpus on disk: layout, file list, reproducibility, and respect for existing files."""

from __future__ import annotations

import hashlib
import json
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seizurekit.errors import CorpusError
from seizurekit.recordings.corpus import find_recordings
from seizurekit.recordings.synthetic import write_synthetic_corpus
from seizurekit.recordings.synthetic.malformations import MALFORMATIONS
from seizurekit.recordings.synthetic.plan import SPLITS, CorpusSpec, plan_corpus

TINY: dict[str, Any] = {"seed": 5, "train_patients": 1, "dev_patients": 1, "eval_patients": 0, "minutes": 1.0}
DEMO = CorpusSpec(seed=0, train_patients=40, dev_patients=15, eval_patients=6, minutes=10.0, broken=0)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tiny") / "corpus"
    write_synthetic_corpus(out, **TINY, workers=1)
    return out


@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(
    tiny: Path, workers: int, tmp_path: Path
) -> None:
    write_synthetic_corpus(tmp_path / "again", **TINY, workers=workers)
    assert digests(tmp_path / "again") == digests(tiny)


def test_another_seed_gives_other_recordings(tiny: Path, tmp_path: Path) -> None:
    write_synthetic_corpus(tmp_path / "other", **{**TINY, "seed": 6})
    assert not set(digests(tiny).values()) & set(digests(tmp_path / "other").values())


def test_a_patients_recordings_do_not_depend_on_how_many_patients_there_are(tiny: Path, tmp_path: Path) -> None:
    write_synthetic_corpus(tmp_path / "more", **{**TINY, "eval_patients": 1})
    more = digests(tmp_path / "more")
    assert all(more[path] == digest for path, digest in digests(tiny).items() if path != "synthetic.json")


def test_files_are_in_tuszs_layout(small_corpus: Path) -> None:
    for path in small_corpus.rglob("*.csv_bi"):
        split, patient, session, montage, name = path.relative_to(small_corpus).parts
        assert split in SPLITS
        assert patient.isalpha()
        assert len(patient) == 8
        assert session[0] == "s"
        assert session[4] == "_"
        assert montage in {"01_tcp_ar", "02_tcp_le", "03_tcp_ar_a"}
        assert name.startswith(f"{patient}_{session[:4]}_t")
        assert path.with_suffix(".edf").is_file()
        assert path.with_suffix(".csv").is_file()


def test_no_patient_is_in_two_splits_and_paths_are_unique() -> None:
    plans = plan_corpus(DEMO)
    splits = {(plan.patient.name, plan.patient.split) for plan in plans}
    assert len(splits) == len({name for name, _ in splits}) == 61
    assert len({plan.path for plan in plans}) == len(plans)


def test_the_file_list_has_every_edf_file_and_its_fault(small_corpus: Path) -> None:
    listing = json.loads((small_corpus / "synthetic.json").read_text())
    listed = [entry["path"] for entry in listing["recordings"] + listing["broken"]]
    assert sorted(listed) == sorted(str(path.relative_to(small_corpus)) for path in small_corpus.rglob("*.edf"))
    assert [entry["malformation"] for entry in listing["recordings"]].count(None) == len(listing["recordings"]) - 1
    assert len(listing["broken"]) == 3


def test_the_demo_corpus_has_every_malformation_reference_and_rate() -> None:
    plans = plan_corpus(DEMO)
    assert {plan.malformation for plan in plans} == {None, *MALFORMATIONS}
    assert {plan.session.reference for plan in plans} == {"REF", "LE"}
    assert {plan.session.rate for plan in plans} == {250, 256, 400, 512}
    assert any("FZ" not in plan.session.electrodes for plan in plans)


@pytest.mark.parametrize("seed", range(4))
def test_there_are_many_separate_seizures_that_end_before_their_recording(seed: int) -> None:
    plans = plan_corpus(CorpusSpec(seed, 24, 8, 4, 12.0, 0))
    counts = Counter(plan.patient.split for plan in plans for _ in plan.seizures)
    assert counts["train"] >= 60
    assert counts["dev"] >= 15
    for plan in plans:
        edges = [edge for seizure in plan.seizures for edge in (seizure.start, seizure.stop)]
        assert edges == sorted(edges)
        assert not edges or edges[-1] < plan.seconds - 1
        assert all(seizure.stop - seizure.start >= 6.0 for seizure in plan.seizures)


def test_only_the_first_recording_of_a_patient_is_malformed() -> None:
    malformed = [plan.patient.name for plan in plan_corpus(DEMO) if plan.malformation is not None]
    assert len(malformed) == len(set(malformed)) == 13 + 5 + 2
    first = {plan.patient.name: plan for plan in reversed(plan_corpus(DEMO))}
    assert {name for name, plan in first.items() if plan.malformation is not None} == set(malformed)


def test_no_mimic_is_within_6_s_of_a_seizure() -> None:
    for plan in plan_corpus(DEMO):
        for mimic in plan.mimics:
            assert all(mimic.stop + 6.0 <= s.start or s.stop + 6.0 <= mimic.start for s in plan.seizures)


def test_temporary_files_of_a_killed_call_are_removed(tmp_path: Path) -> None:
    write_synthetic_corpus(tmp_path / "corpus", **TINY)
    leftover = next((tmp_path / "corpus").rglob("*.edf")).with_name(".seizurekit-a.edf.0123abcd.tmp")
    leftover.touch()
    write_synthetic_corpus(tmp_path / "corpus", **TINY)
    assert not leftover.exists()


def test_an_incomplete_corpus_is_completed_and_existing_files_are_kept(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    write_synthetic_corpus(out, **TINY)
    removed, kept = sorted(out.rglob("*.edf"))[0], sorted(out.rglob("*.edf"))[-1]
    removed.unlink()
    edited = {kept, removed.with_suffix(".csv"), removed.with_suffix(".csv_bi")}
    for path in edited:
        path.write_bytes(b"edited by its owner")
    write_synthetic_corpus(out, **TINY)
    changed = {path for path, digest in digests(out).items() if digests(tiny)[path] != digest}
    assert changed == {str(path.relative_to(out)) for path in edited}


@pytest.mark.parametrize("change", [{"seed": 6}, {"minutes": 2.0}, {"train_patients": 2}, {"broken": 1}])
def test_a_corpus_with_other_options_is_rejected_and_stays_unchanged(change: dict[str, Any], tiny: Path) -> None:
    before = digests(tiny)
    with pytest.raises(CorpusError, match="synthetic corpus was made from"):
        write_synthetic_corpus(tiny, **{**TINY, **change})
    assert digests(tiny) == before


def foreign_file(out: Path) -> None:
    out.mkdir()
    (out / "notes.txt").write_text("mine")


def foreign_list(out: Path) -> None:
    out.mkdir()
    (out / "synthetic.json").write_text("[1, 2]")


def file_at_its_path(out: Path) -> None:
    out.write_text("mine")


@pytest.mark.parametrize("occupy", [foreign_file, foreign_list, file_at_its_path])
def test_a_folder_with_other_files_is_rejected_and_stays_unchanged(
    occupy: Callable[[Path], None], tmp_path: Path
) -> None:
    occupy(tmp_path / "out")
    before = digests(tmp_path)
    with pytest.raises(CorpusError, match="out"):
        write_synthetic_corpus(tmp_path / "out", **TINY)
    assert digests(tmp_path) == before


@pytest.fixture
def files_limited_to_100_kb() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_error_of_a_full_disk_names_the_file_and_no_partial_file_is_left(
    files_limited_to_100_kb: None, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match=r"\.edf"):
        write_synthetic_corpus(tmp_path / "out", **TINY, workers=2)
    assert not list(tmp_path.rglob("*.tmp"))
    assert not list(tmp_path.rglob("*.edf"))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [({"seed": -1}, "seed"), ({"minutes": 0.5}, "minutes"), ({"minutes": float("nan")}, "minutes"),
     ({"workers": 0}, "workers"), ({"train_patients": 0, "broken": 1}, "broken")],
)  # fmt: skip
def test_an_argument_out_of_range_is_named_in_the_error(arguments: dict[str, Any], field: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{field} is"):
        write_synthetic_corpus(tmp_path / "out", **{**TINY, **arguments})
    assert not (tmp_path / "out").exists()


def test_a_synthetic_corpus_is_not_reported_as_an_incomplete_tusz(small_corpus: Path) -> None:
    assert not any("incomplete" in message for message in find_recordings(small_corpus).messages)
