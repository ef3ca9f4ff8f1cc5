"""Finding recordings: TUSZ's tree, other folders, splits, patients, and messages about what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seizurekit.errors import CorpusError
from seizurekit.recordings.corpus import RELEASE_RECORDINGS, check_patients, find_recordings

Touch = Callable[..., Path]


@pytest.fixture
def touch(tmp_path: Path) -> Touch:
    def touch(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return touch


def tusz(split: str, patient: str, session: int = 1, token: int = 0, suffix: str = "edf") -> str:
    return f"{split}/{patient}/s{session:03d}_2010/01_tcp_ar/{patient}_s{session:03d}_t{token:03d}.{suffix}"


def test_a_tusz_tree_gives_split_patient_session_montage_and_annotations(touch: Touch) -> None:
    root = touch(tusz("train", "aaaaaaab"), tusz("train", "aaaaaaab", suffix="csv_bi"), tusz("dev", "aaaaaaac", 7, 3))
    first, second = find_recordings(root).recordings
    assert (first.id, first.patient, first.session) == ("aaaaaaab_s001_t000", "aaaaaaab", "s001")
    assert (first.montage, first.split) == ("01_tcp_ar", "train")
    assert first.edf == root / tusz("train", "aaaaaaab")
    assert first.annotations == root / tusz("train", "aaaaaaab", suffix="csv_bi")
    assert (second.id, second.session, second.split, second.annotations) == ("aaaaaaac_s007_t003", "s007", "dev", None)


def test_the_parent_folder_of_edf_is_the_same_corpus(touch: Touch) -> None:
    root = touch("edf/" + tusz("train", "a"), "edf/" + tusz("eval", "b"), "DOCS/readme.txt")
    assert find_recordings(root) == find_recordings(root / "edf")
    assert find_recordings(root).root == root / "edf"


def test_splits_in_the_folder_have_priority_over_splits_in_its_subfolder_edf(touch: Touch) -> None:
    root = touch(tusz("train", "a"), "edf/" + tusz("train", "b"))
    corpus = find_recordings(root)
    assert corpus.root == root
    assert [r.patient for r in corpus.recordings] == ["a"]


def test_recordings_are_sorted_by_split_and_path(touch: Touch) -> None:
    names = [tusz(s, f"{s}{p}", k, t) for s in ("eval", "dev", "train") for p in "ba" for k in (10, 2) for t in (1, 0)]
    root = touch(*names)
    recordings = find_recordings(root).recordings
    order = [str(r.edf.relative_to(root)) for r in recordings]
    assert order == [n for s in ("train", "dev", "eval") for n in sorted(names) if n.startswith(s)]


def test_csv_bi_is_preferred_to_csv_and_case_does_not_matter(touch: Touch) -> None:
    root = touch("a.edf", "a.csv", "a.csv_bi", "b.EDF", "b.csv", "c.bdf", "c.CSV_BI", "d.edf", "dd.csv_bi", "e.txt")
    found = {r.edf.name: r.annotations and r.annotations.name for r in find_recordings(root).recordings}
    assert found == {"a.edf": "a.csv_bi", "b.EDF": "b.csv", "c.bdf": "c.CSV_BI", "d.edf": None}


def test_one_message_counts_the_recordings_without_annotations(touch: Touch) -> None:
    root = touch("a.edf", "b.edf", "c.edf", "b.csv_bi")
    messages = [m for m in find_recordings(root).messages if "csv_bi" in m]
    assert messages == [f"recordings without a .csv_bi or .csv file: 2 of 3, first {root}/a.edf"]


@pytest.mark.parametrize(
    ("name", "patient", "session"),
    [
        ("x/aaaaaaab_s001_t000.edf", "aaaaaaab", "s001"),
        ("00009578_s002_t001.edf", "00009578", "s002"),
        ("x/sub-07_ses-02_task-szMonitoring_run-00_eeg.edf", "sub-07", "ses-02"),
        ("x/sub-07_task-rest_eeg.edf", "sub-07", ""),
        ("x/chb01_01.edf", "chb01", ""),
        ("x/chb17a_03.edf", "chb17", ""),
        ("x/chb02_16+.edf", "chb02", ""),
        ("x/chb21_01.edf", "chb01", ""),
        ("PN00/PN00-1.edf", "PN00", ""),
        ("PN01-1.edf", "PN01", ""),
        ("P_ID10_r5.edf", "P_ID10", ""),
        ("mary/night one.edf", "mary", ""),
        ("mary/january/night.edf", "mary", ""),
        ("night.edf", "night", ""),
    ],
)
def test_patient_and_session_come_from_the_file_name_or_the_folder(
    touch: Touch, name: str, patient: str, session: str
) -> None:
    (recording,) = find_recordings(touch(name)).recordings
    assert (recording.patient, recording.session) == (patient, session)


@pytest.mark.parametrize(("split", "name"), [(None, "train"), ("dev", "dev"), ("mine", "mine")])
def test_any_other_folder_is_one_split_with_a_message(touch: Touch, split: str | None, name: str) -> None:
    corpus = find_recordings(touch("p1/a.edf", "p2/b.edf"), split)
    assert corpus.splits == (name,)
    assert any(message.endswith(f"its recordings are one split, {name}") for message in corpus.messages)


def test_the_folder_of_one_split_keeps_its_name(touch: Touch) -> None:
    root = touch(tusz("train", "a"), tusz("eval", "b"))
    assert find_recordings(root / "eval").splits == ("eval",)
    with pytest.raises(CorpusError, match="no split 'train', expected one of eval"):
        find_recordings(root / "eval", "train")


def test_a_selected_split_is_returned_alone(touch: Touch) -> None:
    root = touch(tusz("train", "a"), tusz("dev", "b"), tusz("dev", "c"))
    corpus = find_recordings(root, "dev")
    assert [r.patient for r in corpus.recordings] == ["b", "c"]
    assert corpus.recordings == tuple(r for r in find_recordings(root).recordings if r.split == "dev")


def test_a_missing_split_is_rejected_with_the_list_of_splits(touch: Touch) -> None:
    with pytest.raises(CorpusError, match=r"no split 'test', expected one of train, dev$"):
        find_recordings(touch(tusz("train", "a"), tusz("dev", "b")), "test")


@pytest.mark.parametrize("split", [None, "train", "eval"])
def test_a_patient_in_two_splits_is_rejected_whichever_split_is_selected(touch: Touch, split: str | None) -> None:
    root = touch(tusz("train", "a"), tusz("dev", "a", 2), tusz("train", "b"), tusz("eval", "c"))
    with pytest.raises(
        CorpusError, match=r"more than one split: a \(train, dev\); expected each patient in one split only"
    ):
        find_recordings(root, split)


def test_the_error_names_all_patients_in_several_splits() -> None:
    check_patients({"train": ["a", "b", "b"], "dev": ["c"]})
    with pytest.raises(CorpusError, match=r"a \(train, eval\); b \(train, dev, eval\); expected"):
        check_patients({"train": ["a", "b"], "dev": ["b", "c"], "eval": ["b", "a", "a"]})


def test_an_incomplete_tusz_tree_is_reported_with_its_counts(touch: Touch) -> None:
    root = touch(tusz("train", "a"), tusz("train", "b"), tusz("dev", "c"))
    (message,) = (m for m in find_recordings(root).messages if m.startswith("incomplete"))
    assert message.endswith("v2.0.3: train 2 of 4664, dev 1 of 1832, eval 0 of 865")
    (message,) = (m for m in find_recordings(root, "dev").messages if m.startswith("incomplete"))
    assert message.endswith("v2.0.3: dev 1 of 1832")


def test_a_complete_tusz_tree_and_other_layouts_are_not_reported_as_incomplete(
    touch: Touch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RELEASE_RECORDINGS, "train", 2)
    monkeypatch.setitem(RELEASE_RECORDINGS, "dev", 1)
    monkeypatch.setitem(RELEASE_RECORDINGS, "eval", 1)
    names = [tusz("train", "a"), tusz("train", "b"), tusz("dev", "c"), tusz("eval", "d")]
    root = touch(*names, *(name.replace(".edf", ".csv") for name in names))
    assert find_recordings(root).messages == ()
    assert not any("incomplete" in m for m in find_recordings(touch("other/p/x.edf").joinpath("other")).messages)


def test_recordings_in_another_patients_folder_are_reported_and_keep_the_patient_in_their_name(touch: Touch) -> None:
    root = touch(tusz("train", "a"), "train/a/s001_2010/01_tcp_ar/b_s001_t000.edf")
    corpus = find_recordings(root)
    assert {r.patient for r in corpus.recordings} == {"a", "b"}
    assert any(
        "outside TUSZ's layout, patient read from the file name: 1, first" in message for message in corpus.messages
    )


def test_recordings_in_another_sessions_folder_are_reported(touch: Touch) -> None:
    corpus = find_recordings(touch(tusz("train", "a"), "train/a/s001_2010/01_tcp_ar/a_s002_t000.edf"))
    assert any("outside TUSZ's layout, patient read from the file name: 1, first" in m for m in corpus.messages)


def test_recordings_outside_the_splits_are_skipped_and_counted(touch: Touch) -> None:
    corpus = find_recordings(touch(tusz("train", "a"), "old/b.edf", "c.edf"))
    assert [r.patient for r in corpus.recordings] == ["a"]
    assert "recordings outside the folders train skipped: 2" in corpus.messages


def test_recordings_with_the_same_name_get_ids_with_their_folders(touch: Touch) -> None:
    corpus = find_recordings(touch("p1/01.edf", "p2/01.edf", "p2/02.edf"))
    assert [r.id for r in corpus.recordings] == ["p1-01", "p2-01", "02"]
    assert any("id made from the path: 2, first" in message for message in corpus.messages)


def test_two_recordings_with_one_name_in_one_folder_are_rejected(touch: Touch) -> None:
    with pytest.raises(CorpusError, match=r"a\.bdf and .*a\.edf have the same id 'a', expected one recording per id"):
        find_recordings(touch("a.edf", "a.bdf"))


def test_ids_do_not_depend_on_the_selected_split(touch: Touch) -> None:
    root = touch("train/p/01.edf", "dev/q/01.edf")
    assert [r.id for r in find_recordings(root, "dev").recordings] == ["dev-q-01"]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda p: p, "no such folder"),
        (lambda p: p.write_text(""), "not a folder"),
        (lambda p: p.mkdir(), r"no \.edf or \.bdf file"),
        (lambda p: (p / "train" / "x").mkdir(parents=True), r"no \.edf or \.bdf file"),
    ],
    ids=["missing", "a file", "empty", "empty splits"],
)
def test_a_folder_without_recordings_is_rejected_in_one_line(
    tmp_path: Path, make: Callable[[Path], object], problem: str
) -> None:
    make(tmp_path / "corpus")
    with pytest.raises(CorpusError, match=problem) as raised:
        find_recordings(tmp_path / "corpus")
    assert str(tmp_path / "corpus") in str(raised.value)
    assert "\n" not in str(raised.value)


def test_limit_keeps_the_first_recordings_of_each_split(touch: Touch) -> None:
    corpus = find_recordings(touch(*(tusz(s, f"{s}{p}") for s in ("train", "dev") for p in "abc")))
    assert [r.patient for r in corpus.limit(2).recordings] == ["traina", "trainb", "deva", "devb"]
    assert corpus.limit(9) == corpus
    with pytest.raises(ValueError, match="is 0, expected at least 1"):
        corpus.limit(0)


def test_all_shared_tusz_samples_are_found(shared_data: Path) -> None:
    corpus = find_recordings(shared_data / "tusz")
    assert len(corpus.recordings) == 41
    assert all(r.annotations == r.edf.with_suffix(".csv_bi") for r in corpus.recordings)
    assert {(r.split, r.patient) for r in corpus.recordings} == {
        ("train", "aaaaakpu"), ("dev", "aaaaahln"), ("eval", "aaaaarnq")}  # fmt: skip
    assert len(corpus.messages) == 1
