"""Finds the recordings of a corpus folder, with their patients, splits and annotations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from os import PathLike
from pathlib import Path

from seizurekit.errors import CorpusError
from seizurekit.recordings.folders import FoundFile, find_edf_files
from seizurekit.recordings.naming import is_tusz_path, parse_montage, parse_patient_and_session

SPLITS = ("train", "dev", "eval")

SYNTHETIC_LIST = "synthetic.json"
"""File list of a synthetic corpus, which has TUSZ's layout but not TUSZ's number of recordings."""

RELEASE = "TUSZ v2.0.3"
RELEASE_RECORDINGS = {"train": 4664, "dev": 1832, "eval": 865}
"""Recordings per split according to the README of the release (February 2024); other sources differ by a few."""


@dataclass(frozen=True)
class RecordingFile:
    """One recording of a corpus.

    Attributes:
        id: unique in the corpus: the stem of the file, or its path in the corpus joined by ``-`` if the stem repeats.
        patient: such as ``aaaaaaaq``.
        session: such as ``s007``; ``""`` if unknown.
        montage: such as ``01_tcp_ar``; ``""`` if unknown.
        split: ``train``, ``dev`` or ``eval``, or the name that the caller gave.
        edf: EDF or BDF file.
        annotations: ``.csv_bi`` file, else ``.csv`` file, else None.
    """

    id: str
    patient: str
    session: str
    montage: str
    split: str
    edf: Path
    annotations: Path | None


@dataclass(frozen=True)
class Corpus:
    """Recordings below a folder.

    Attributes:
        root: folder with the splits, or with the recordings.
        recordings: sorted by split, then by path.
        messages: what is missing or unusual, one sentence each.
    """

    root: Path
    recordings: tuple[RecordingFile, ...]
    messages: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits with recordings, in the order train, dev, eval."""
        return tuple(dict.fromkeys(recording.split for recording in self.recordings))

    def limit(self, recordings: int) -> Corpus:
        """Corpus with only the first `recordings` recordings of each split."""
        if recordings < 1:
            raise ValueError(f"recordings per split is {recordings}, expected at least 1")
        first = (tuple(r for r in self.recordings if r.split == split)[:recordings] for split in self.splits)
        return replace(self, recordings=tuple(chain.from_iterable(first)))


def find_recordings(data_dir: str | PathLike[str], split: str | None = None) -> Corpus:
    """Finds the EDF and BDF files below a folder, always in the same order.

    - If there are recordings in the subfolders ``train``, ``dev`` or ``eval``, as in TUSZ, these are the splits, and
      recordings outside them are skipped. `data_dir` may also hold such a folder as its subfolder ``edf``.
    - Any other folder is one split. Its name is the folder's name if that is ``train``, ``dev`` or ``eval``; otherwise
      it is `split`, or ``train`` if `split` is None.
    - `naming.parse_patient_and_session` finds each recording's patient. A patient must not be in two splits; the whole
      tree is checked even if `split` selects one.
    - Links are followed, and each folder is read once. Hidden files and folders, and folders that cannot be read, are
      skipped. If stems repeat, ids are made from paths.

    Args:
        data_dir: folder of the corpus.
        split: split to return; None returns all.

    Raises:
        CorpusError: the folder, the split or recordings are missing, or a patient is in two splits.
    """
    root = _find_root(Path(data_dir).absolute())
    files, messages = find_edf_files(root)
    if not files:
        reasons = f" ({'; '.join(messages[:3])})" if messages else ""
        raise CorpusError(f"{root}: no .edf or .bdf file in this folder or below it{reasons}")
    splits = _group_by_split(root, files, split, messages)
    if split is not None and split not in splits:
        raise CorpusError(f"{root}: no split {split!r}, expected one of {', '.join(splits)}")
    recordings = _recordings(root, splits)
    check_patients({name: {r.patient for r in recordings if r.split == name} for name in splits})
    selected = tuple(r for r in recordings if split in (None, r.split))
    messages += _renamed_ids(selected) + _layout_messages(root, recordings, split) + _missing_annotations(selected)
    return Corpus(root, selected, tuple(messages))


def check_patients(patients: Mapping[str, Iterable[str]]) -> None:
    """Checks that each patient is in one split only.

    Args:
        patients: names of the patients in each split.

    Raises:
        CorpusError: patients are in more than one split; the message names them.
    """
    splits: dict[str, list[str]] = defaultdict(list)
    for split, names in patients.items():
        for name in set(names):
            splits[name].append(split)
    crossing = [f"{name} ({', '.join(found)})" for name, found in sorted(splits.items()) if len(found) > 1]
    if crossing:
        shown = "; ".join(crossing[:10]) + (f"; and {len(crossing) - 10} more" if len(crossing) > 10 else "")
        raise CorpusError(f"patients in more than one split: {shown}; expected each patient in one split only")


def _find_root(data_dir: Path) -> Path:
    """The folder that holds the splits: `data_dir` or its subfolder ``edf``."""
    if not data_dir.exists():
        raise CorpusError(f"{data_dir}: no such folder")
    if not data_dir.is_dir():
        raise CorpusError(f"{data_dir}: not a folder, expected a folder of .edf or .bdf files")
    inner = data_dir / "edf"
    return inner if _has_splits(inner) and not _has_splits(data_dir) else data_dir


def _has_splits(folder: Path) -> bool:
    return any((folder / split).is_dir() for split in SPLITS)


def _group_by_split(
    root: Path, files: Sequence[FoundFile], split: str | None, messages: list[str]
) -> dict[str, list[FoundFile]]:
    splits = {name: [file for file in files if file.folders[:1] == (name,)] for name in SPLITS}
    splits = {name: members for name, members in splits.items() if members}
    if not splits:
        name = root.name if root.name in SPLITS else split or "train"
        messages.append(f"no folder train, dev or eval in {root}: its recordings are one split, {name}")
        return {name: list(files)}
    outside = len(files) - sum(map(len, splits.values()))
    if outside:
        messages.append(f"recordings outside the folders {', '.join(splits)} skipped: {outside}")
    return splits


def _recordings(root: Path, splits: Mapping[str, Sequence[FoundFile]]) -> list[RecordingFile]:
    stems = Counter(file.stem for files in splits.values() for file in files)
    recordings = []
    for split, files in splits.items():
        for file in files:
            folders = file.folders[1:] if split in SPLITS and file.folders[:1] == (split,) else file.folders
            patient, session = parse_patient_and_session(folders, file.stem)
            name = file.stem if stems[file.stem] == 1 else "-".join((*file.folders, file.stem))
            recordings.append(
                RecordingFile(name, patient, session, parse_montage(folders), split, file.path, file.annotations)
            )
    repeated = [name for name, count in Counter(r.id for r in recordings).items() if count > 1]
    if repeated:
        paths = " and ".join(str(r.edf) for r in recordings if r.id == repeated[0])
        raise CorpusError(f"{root}: {paths} have the same id {repeated[0]!r}, expected one recording per id")
    return recordings


def _renamed_ids(recordings: Sequence[RecordingFile]) -> list[str]:
    renamed = [r for r in recordings if r.id != r.edf.stem]
    if not renamed:
        return []
    first = renamed[0]
    return [f"recordings with a repeated name, id made from the path: {len(renamed)}, first {first.edf} as {first.id}"]


def _missing_annotations(recordings: Sequence[RecordingFile]) -> list[str]:
    missing = [r.edf for r in recordings if r.annotations is None]
    if not missing:
        return []
    return [f"recordings without a .csv_bi or .csv file: {len(missing)} of {len(recordings)}, first {missing[0]}"]


def _layout_messages(root: Path, recordings: Sequence[RecordingFile], split: str | None) -> list[str]:
    """For a corpus in TUSZ's layout: recordings outside the layout, and the number missing from the release."""
    outside = [r.edf for r in recordings if not is_tusz_path(r.edf)]
    if len(outside) == len(recordings):
        return []
    messages = []
    if outside:
        messages.append(
            f"recordings outside TUSZ's layout, patient read from the file name: {len(outside)}, first {outside[0]}"
        )
    count = Counter(r.split for r in recordings)
    splits = [split] if split is not None else list(count if root.name in SPLITS else SPLITS)
    incomplete = [name for name in splits if count[name] < RELEASE_RECORDINGS.get(name, 0)]
    if incomplete and not (root / SYNTHETIC_LIST).exists():
        counts = ", ".join(f"{name} {count[name]} of {RELEASE_RECORDINGS[name]}" for name in incomplete)
        messages.append(f"incomplete: fewer recordings than {RELEASE}: {counts}")
    return messages
