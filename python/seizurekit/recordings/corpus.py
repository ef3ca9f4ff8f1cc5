"""A folder of recordings: which there are, whose, of which split, and with which annotations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from seizurekit.errors import CorpusError
from seizurekit.recordings.folders import FoundFile, find_edf_files
from seizurekit.recordings.naming import is_tusz_path, parse_montage, parse_patient_and_session

SPLITS = ("train", "dev", "eval")

SYNTHETIC_LIST = "synthetic.json"
"""In a synthetic corpus: the list of its files. It has TUSZ's layout, and is complete without TUSZ's numbers."""

RELEASE = "TUSZ v2.0.3"
RELEASE_RECORDINGS = {"train": 4664, "dev": 1832, "eval": 865}
"""Recordings of each split by the release's README (February 2024); other sources differ by a few."""


@dataclass(frozen=True)
class RecordingFile:
    """One recording of a corpus.

    Attributes:
        id: unique in the corpus; the file's stem, or its path below the corpus joined by ``-`` where stems repeat.
        patient: e.g. ``aaaaaaaq``.
        session: e.g. ``s007``; ``""`` if unknown.
        montage: e.g. ``01_tcp_ar``; ``""`` if unknown.
        split: ``train``, ``dev`` or ``eval``, or what the caller named it.
        edf: the EDF or BDF file.
        annotations: its ``.csv_bi``, else its ``.csv``, else None.
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
    """The recordings found below a folder.

    Attributes:
        root: the folder that holds the splits, or the recordings.
        recordings: split after split, by path within a split.
        messages: what is missing or unusual, one sentence each.
    """

    root: Path
    recordings: tuple[RecordingFile, ...]
    messages: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have recordings: train, dev, eval."""
        return tuple(dict.fromkeys(recording.split for recording in self.recordings))

    def limit(self, recordings: int) -> Corpus:
        """The corpus with the first so many recordings of each split."""
        if recordings < 1:
            raise ValueError(f"recordings of each split: found {recordings}, wanted at least 1")
        taken: Counter[str] = Counter()
        kept = []
        for recording in self.recordings:
            taken[recording.split] += 1
            if taken[recording.split] <= recordings:
                kept.append(recording)
        return replace(self, recordings=tuple(kept))


def find_recordings(data_dir: str | PathLike[str], split: str | None = None) -> Corpus:
    """Finds the EDF and BDF files below a folder, in the same order each time.

    - A folder with recordings in its subfolders ``train``, ``dev`` or ``eval`` has these splits, TUSZ's tree above all;
      so has one whose subfolder ``edf`` is such a folder. Recordings beside the splits are left out.
    - Any other folder is one split. It has the folder's own name if that is ``train``, ``dev`` or ``eval``; else it is
      named `split`, or ``train`` without that.
    - `naming.parse_patient_and_session` finds each recording's patient. A patient must not be in two splits; the whole
      tree is checked even if one split is asked for.
    - Each folder is read once, links followed; names that begin with a dot are passed over, and folders that cannot be
      read are left out. Where stems repeat, ids are made from paths.

    Args:
        data_dir: the folder.
        split: the split to be returned; None for all.

    Raises:
        CorpusError: no such folder, no recording in it, no such split, or a patient in two splits.
    """
    root = _root(Path(data_dir).absolute())
    found, messages = find_edf_files(root)
    if not found:
        said = f" ({'; '.join(messages[:3])})" if messages else ""
        raise CorpusError(f"{root}: found no .edf or .bdf file in it or below it{said}, wanted recordings")
    splits = _splits(root, found, split, messages)
    if split is not None and split not in splits:
        raise CorpusError(f"{root}: found no split {split!r}, wanted one of {', '.join(splits)}")
    recordings = _recordings(root, splits)
    check_patients({name: {r.patient for r in recordings if r.split == name} for name in splits})
    asked = tuple(r for r in recordings if split in (None, r.split))
    messages += _about_ids(asked) + _about_layout(root, recordings, split) + _about_annotations(asked)
    return Corpus(root, asked, tuple(messages))


def check_patients(patients: Mapping[str, Iterable[str]]) -> None:
    """Raises a CorpusError that names the patients who are in more than one split; `patients` are by split."""
    splits: dict[str, list[str]] = defaultdict(list)
    for split, names in patients.items():
        for name in set(names):
            splits[name].append(split)
    crossing = [f"{name} ({', '.join(found)})" for name, found in sorted(splits.items()) if len(found) > 1]
    if crossing:
        shown = "; ".join(crossing[:10]) + (f"; and {len(crossing) - 10} more" if len(crossing) > 10 else "")
        raise CorpusError(f"patients in more than one split: found {shown}, wanted each patient in one split only")


def _root(data_dir: Path) -> Path:
    if not data_dir.is_dir():
        found = "a file" if data_dir.exists() else "nothing"
        raise CorpusError(f"{data_dir}: found {found}, wanted a folder of .edf or .bdf files")
    inner = data_dir / "edf"
    return inner if _has_splits(inner) and not _has_splits(data_dir) else data_dir


def _has_splits(folder: Path) -> bool:
    return any((folder / split).is_dir() for split in SPLITS)


def _splits(
    root: Path, found: Sequence[FoundFile], asked: str | None, messages: list[str]
) -> dict[str, list[FoundFile]]:
    splits = {name: [file for file in found if file.folders[:1] == (name,)] for name in SPLITS}
    splits = {name: files for name, files in splits.items() if files}
    if not splits:
        name = root.name if root.name in SPLITS else asked or "train"
        messages.append(f"no folder train, dev or eval in {root}: its recordings are one split, {name}")
        return {name: list(found)}
    beside = len(found) - sum(map(len, splits.values()))
    if beside:
        messages.append(f"recordings beside the folders {', '.join(splits)} left out: {beside}")
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
    twice = [name for name, count in Counter(r.id for r in recordings).items() if count > 1]
    if twice:
        paths = " and ".join(str(r.edf) for r in recordings if r.id == twice[0])
        raise CorpusError(f"{root}: found {paths}, wanted one recording of the id {twice[0]!r}")
    return recordings


def _about_ids(recordings: Sequence[RecordingFile]) -> list[str]:
    renamed = [r for r in recordings if r.id != r.edf.stem]
    if not renamed:
        return []
    first = renamed[0]
    return [f"recordings of a name that repeats, told apart by path: {len(renamed)}, first {first.edf} as {first.id}"]


def _about_annotations(recordings: Sequence[RecordingFile]) -> list[str]:
    bare = [r.edf for r in recordings if r.annotations is None]
    if not bare:
        return []
    return [f"recordings without a .csv_bi or .csv file beside them: {len(bare)} of {len(recordings)}, first {bare[0]}"]


def _about_layout(root: Path, recordings: Sequence[RecordingFile], asked: str | None) -> list[str]:
    """Where the corpus is in TUSZ's layout: what does not fit it, and how much of the release is missing."""
    odd = [r.edf for r in recordings if not is_tusz_path(r.edf)]
    if len(odd) == len(recordings):
        return []
    messages = []
    if odd:
        messages.append(f"recordings outside TUSZ's layout, whose names decide: {len(odd)}, first {odd[0]}")
    count = Counter(r.split for r in recordings)
    splits = [asked] if asked is not None else list(count if root.name in SPLITS else SPLITS)
    fewer = [name for name in splits if count[name] < RELEASE_RECORDINGS.get(name, 0)]
    if fewer and not (root / SYNTHETIC_LIST).exists():
        found = ", ".join(f"{name} {count[name]} of {RELEASE_RECORDINGS[name]}" for name in fewer)
        messages.append(f"incomplete: fewer recordings than {RELEASE} has: {found}")
    return messages
