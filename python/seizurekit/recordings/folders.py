"""Finds EDF files and their annotation files in a folder tree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_EDF_SUFFIXES = (".edf", ".bdf")
_ANNOTATION_SUFFIXES = (".csv_bi", ".CSV_BI", ".csv", ".CSV")  # in order of preference


@dataclass(frozen=True)
class FoundFile:
    """An EDF or BDF file in a folder tree.

    Attributes:
        path: the file.
        folders: names of the folders from the root down to the file.
        annotations: its annotation file; None if there is none.
    """

    path: Path
    folders: tuple[str, ...]
    annotations: Path | None

    @property
    def stem(self) -> str:
        """File name without ``.edf``."""
        return self.path.stem


def find_edf_files(root: Path) -> tuple[list[FoundFile], list[str]]:
    """EDF and BDF files below a folder, sorted by path, and messages about skipped links and folders.

    Each folder is read once, and links to folders are followed last: circular links end, and a folder below the root
    keeps its real path. A link to a parent of the root is not followed.
    """
    found: list[FoundFile] = []
    messages: list[str] = []
    seen = {_folder_id(folder) for folder in root.resolve().parents}
    folders: list[tuple[str, ...]] = [()]
    links: list[tuple[str, ...]] = []
    while folders or links:
        names = folders.pop() if folders else links.pop()
        folder = root.joinpath(*names)
        try:
            folder_id = _folder_id(folder)
            if folder_id in seen:
                messages.append(f"link skipped, its folder is already read: {folder}")
                continue
            seen.add(folder_id)
            subfolders, linked, files = _list_folder(folder)
        except OSError as error:
            messages.append(f"folder skipped: {folder}: {error.strerror}")
            continue
        folders += [(*names, name) for name in subfolders]
        links += [(*names, name) for name in linked]
        found += _edf_files(folder, names, files, messages)
    return sorted(found, key=lambda file: (file.folders, file.path.name)), messages


def _folder_id(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _list_folder(folder: Path) -> tuple[list[str], list[str], set[str]]:
    """Names of the subfolders, of the links to folders, and of all other entries that are not hidden."""
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    subfolders = sorted(entry.name for entry in shown if entry.is_dir(follow_symlinks=False))
    linked = sorted(entry.name for entry in shown if entry.is_symlink() and Path(entry).is_dir())
    return subfolders, linked, {entry.name for entry in shown}.difference(subfolders, linked)


def _edf_files(folder: Path, names: tuple[str, ...], files: set[str], messages: list[str]) -> Iterator[FoundFile]:
    for name in files:
        if not name.lower().endswith(_EDF_SUFFIXES):
            continue
        path = folder / name
        if not path.is_file():
            messages.append(f"skipped, broken link or not a file: {path}")
            continue
        candidates = (path.stem + suffix for suffix in _ANNOTATION_SUFFIXES)
        annotations = next((folder / candidate for candidate in candidates if candidate in files), None)
        yield FoundFile(path, names, annotations)
