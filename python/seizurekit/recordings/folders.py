"""Finds EDF files, and the annotations beside them, in a tree of folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_EDF_SUFFIXES = (".edf", ".bdf")
_ANNOTATION_SUFFIXES = (".csv_bi", ".CSV_BI", ".csv", ".CSV")  # the preferred first


@dataclass(frozen=True)
class FoundFile:
    """An EDF or BDF file: its path, the names of the folders between the root and it, and its annotations if any."""

    path: Path
    folders: tuple[str, ...]
    annotations: Path | None

    @property
    def stem(self) -> str:
        """The file's name without ``.edf``."""
        return self.path.stem


def find_edf_files(root: Path) -> tuple[list[FoundFile], list[str]]:
    """The EDF and BDF files below a folder, sorted by path, and messages about what was left out.

    Links to folders are followed after everything else, and each folder is read once: links in a circle end, and a
    folder below the root has its real path. A link to a folder that holds the root is not followed.
    """
    found: list[FoundFile] = []
    messages: list[str] = []
    seen = {_identity(folder) for folder in root.resolve().parents}
    folders: list[tuple[str, ...]] = [()]
    links: list[tuple[str, ...]] = []
    while folders or links:
        names = folders.pop() if folders else links.pop()
        folder = root.joinpath(*names)
        try:
            identity = _identity(folder)
            if identity in seen:
                messages.append(f"link left out, its folder is read elsewhere: {folder}")
                continue
            seen.add(identity)
            with os.scandir(folder) as entries:
                listed = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            messages.append(f"folder left out: {folder}: {error.strerror}")
            continue
        inner = sorted(entry.name for entry in listed if entry.is_dir(follow_symlinks=False))
        linked = sorted(entry.name for entry in listed if entry.is_symlink() and Path(entry).is_dir())
        folders += [(*names, name) for name in inner]
        links += [(*names, name) for name in linked]
        found += _recordings(folder, names, {entry.name for entry in listed}.difference(inner, linked), messages)
    return sorted(found, key=lambda file: (file.folders, file.path.name)), messages


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _recordings(folder: Path, names: tuple[str, ...], files: set[str], messages: list[str]) -> Iterator[FoundFile]:
    for name in files:
        if not name.lower().endswith(_EDF_SUFFIXES):
            continue
        path = folder / name
        if not path.is_file():
            messages.append(f"link to nothing, or no file, left out: {path}")
            continue
        beside = (path.stem + suffix for suffix in _ANNOTATION_SUFFIXES)
        annotations = next((folder / other for other in beside if other in files), None)
        yield FoundFile(path, names, annotations)
