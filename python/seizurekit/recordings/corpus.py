"""Corpora: the recordings below a folder, whose they are, and which split they belong to."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from seizurekit.errors import CorpusError

SPLITS = ("train", "dev", "eval")
_SIGNALS = (".edf", ".bdf")
_ANNOTATIONS = (".csv_bi", ".csv")

TUSZ_RECORDINGS = {"train": 4664, "dev": 1832, "eval": 865}
"""Recordings a split in TUSZ v2.0.3 (its README of February 2024; other sources differ by a few)."""

_TUSZ_PATH = re.compile(r"(?P<patient>[a-z]{8})/(?P<session>s\d{3}_\d{4})/(?P<montage>0[1-4]_tcp_\w+)/[^/]+")
_STEMS = (
    re.compile(r"(?P<patient>[a-z0-9]{8})_(?P<session>s\d{3})_t\d{3}"),  # TUH: aaaaaaac_s001_t000
    re.compile(r"(?P<patient>sub-[A-Za-z0-9]+)(?:_(?P<session>ses-[A-Za-z0-9]+))?(?:_.*)?"),  # BIDS
    re.compile(r"(?P<patient>chb\d+)[a-z]?(?P<session>)_.*"),  # CHB-MIT: chb01_03, chb17a_04
    re.compile(r"(?P<patient>PN\d+)(?P<session>)-.*"),  # Siena: PN00-1
)


@dataclass(frozen=True)
class RecordingFile:
    """A recording on disk: whose it is, its EDF or BDF file, and its annotations (None where there are none)."""

    id: str
    patient: str
    session: str
    montage: str
    split: str
    edf: Path
    annotations: Path | None


@dataclass(frozen=True)
class Corpus:
    """The recordings below `root`, sorted by split and path, and what there is to say about them."""

    root: Path
    recordings: tuple[RecordingFile, ...]
    messages: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have recordings, in the order train, dev, eval, then others by name."""
        present = {recording.split for recording in self.recordings}
        return (*(name for name in SPLITS if name in present), *sorted(present - set(SPLITS)))

    def only(self, split: str) -> Corpus:
        """The recordings of one split."""
        return replace(self, recordings=tuple(r for r in self.recordings if r.split == split))

    def limited(self, count: int | None) -> Corpus:
        """The first `count` recordings of each split; all of them where `count` is None."""
        if count is None:
            return self
        seen: Counter[str] = Counter()
        kept = []
        for recording in self.recordings:
            seen[recording.split] += 1
            if seen[recording.split] <= count:
                kept.append(recording)
        return replace(self, recordings=tuple(kept))


def find_recordings(data_dir: str | PathLike[str], split: str | None = None) -> Corpus:
    """Finds the EDF and BDF files below a folder and the annotations beside them.

    A folder with a subfolder ``train``, ``dev`` or ``eval`` (or whose subfolder ``edf`` has one) is taken in TUSZ's layout,
    ``<split>/<patient>/<session>_<year>/<montage>/<patient>_<session>_t<nnn>.edf``. Any other folder is one split, named
    by `split` or else ``"train"``. The patient is taken from the path in TUSZ's layout, else from a file name of TUH, BIDS,
    CHB-MIT or Siena, else from the folder the file lies in; a file in `data_dir` itself is its own patient. ``.csv_bi``
    is preferred to ``.csv``. Patients are checked over all splits even when one is asked for.

    Raises:
        CorpusError: no such folder, no recordings in it, no such split, two recordings of one name in a split, or
            a patient in two splits.
    """
    root = Path(data_dir)
    if not root.is_dir():
        raise CorpusError(f"{root}: found {'a file' if root.exists() else 'no such folder'}, wanted a folder of EDF files")
    top, folders, messages = _split_folders(root, split)
    found: list[RecordingFile] = []
    for name, folder in folders.items():
        found += _recordings_of(folder, name, messages)
    if not found:
        raise CorpusError(f"{root}: found no recording in it, wanted files ending in .edf or .bdf")
    _check_ids(found)
    check_patients(_patients(found))
    corpus = Corpus(top, tuple(found))
    if split is not None:
        if split not in corpus.splits:
            raise CorpusError(f"{root}: no split {split!r} with recordings, found {', '.join(corpus.splits)}")
        corpus = corpus.only(split)
    return replace(corpus, messages=(*messages, *_said_of(corpus)))


def check_patients(patients: Mapping[str, Collection[str]]) -> None:
    """Refuses splits that share a patient: what is learnt from a patient may not be tested on the same one.

    Args:
        patients: the patients of each split, by the split's name.

    Raises:
        CorpusError: the message names the patients and their splits.
    """
    splits_of: defaultdict[str, list[str]] = defaultdict(list)
    for split, names in patients.items():
        for patient in set(names):
            splits_of[patient].append(split)
    crossing = sorted((patient, splits) for patient, splits in splits_of.items() if len(splits) > 1)
    if crossing:
        shown = "; ".join(f"{patient} in {' and '.join(splits)}" for patient, splits in crossing[:10])
        rest = f"; and {len(crossing) - 10} more" if len(crossing) > 10 else ""
        raise CorpusError(f"patients in more than one split: {shown}{rest}; wanted every patient in one split only")


def _split_folders(root: Path, split: str | None) -> tuple[Path, dict[str, Path], list[str]]:
    for top in (root, root / "edf"):
        folders = {name: top / name for name in SPLITS if (top / name).is_dir()}
        if folders:
            return top, folders, []
    name = split or "train"
    said = [] if split else [f"{root}: no folder train, dev or eval in it; all recordings go to split 'train'"]
    return root, {name: root}, said


def _recordings_of(folder: Path, split: str, messages: list[str]) -> list[RecordingFile]:
    recordings = []
    for directory, names in _walk(folder, messages):
        present = {name.lower(): name for name in names}
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in _SIGNALS and not name.startswith("."):
                beside = (present.get(f"{stem}{ending}".lower()) for ending in _ANNOTATIONS)
                annotations = next((directory / found for found in beside if found), None)
                recordings.append(_recording(folder, directory / name, stem, split, annotations))
    return sorted(recordings, key=lambda recording: recording.edf.as_posix())


def _walk(folder: Path, messages: list[str]) -> Iterator[tuple[Path, list[str]]]:
    """Folders with the names of the files in them; links to folders are followed, each real folder once."""
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        directory = waiting.pop()
        try:
            status = directory.stat()
            entries = list(os.scandir(directory))
        except OSError as error:
            messages.append(f"{directory}: folder passed over: {error.strerror}")
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        waiting += [Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
        yield directory, [entry.name for entry in entries if entry.is_file()]


def _recording(folder: Path, path: Path, stem: str, split: str, annotations: Path | None) -> RecordingFile:
    relative = path.relative_to(folder).as_posix()
    by_path = _TUSZ_PATH.fullmatch(relative)
    if by_path:
        return RecordingFile(
            stem, by_path["patient"], by_path["session"], by_path["montage"], split, path, annotations
        )
    for pattern in _STEMS:
        match = pattern.fullmatch(stem)
        if match:
            return RecordingFile(stem, match["patient"], match["session"] or "", "", split, path, annotations)
    patient = path.parent.name if path.parent != folder else stem
    return RecordingFile(stem, patient, "", "", split, path, annotations)


def _check_ids(recordings: list[RecordingFile]) -> None:
    first: dict[tuple[str, str], RecordingFile] = {}
    for recording in recordings:
        other = first.setdefault((recording.split, recording.id), recording)
        if other is not recording:
            raise CorpusError(
                f"two recordings named {recording.id!r} in split {recording.split!r}: {other.edf} and {recording.edf}; "
                "wanted every recording of a split under a name of its own"
            )


def _patients(recordings: list[RecordingFile]) -> dict[str, set[str]]:
    patients: defaultdict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        patients[recording.split].add(recording.patient)
    return patients


def _said_of(corpus: Corpus) -> Iterator[str]:
    bare = [recording.id for recording in corpus.recordings if recording.annotations is None]
    if bare:
        shown = ", ".join(bare[:5]) + (", …" if len(bare) > 5 else "")
        yield f"{len(bare)} of {len(corpus.recordings)} recordings have no .csv_bi or .csv beside them: {shown}"
    counts = Counter(recording.split for recording in corpus.recordings)
    tusz = any(recording.montage for recording in corpus.recordings)
    for split in corpus.splits if tusz else ():
        expected = TUSZ_RECORDINGS.get(split, 0)
        if counts[split] < expected:
            yield f"incomplete: split {split!r} has {counts[split]} recordings, TUSZ v2.0.3 has {expected}"
