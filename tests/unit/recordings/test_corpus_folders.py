"""Walking folders: links, circular links, folders that cannot be read, and hidden files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seizurekit.errors import CorpusError
from seizurekit.recordings.corpus import find_recordings
from seizurekit.recordings.folders import find_edf_files


def names(root: Path) -> list[str]:
    found, _ = find_edf_files(root)
    return [str(file.path.relative_to(root)) for file in found]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "edf" / "p1").mkdir(parents=True)
    (tmp_path / "edf" / "p1" / "a.edf").touch()
    return tmp_path / "edf"


@pytest.mark.parametrize("target", [".", "p1", "..", "/", "a_circle"])
def test_circular_links_end(root: Path, target: str) -> None:
    (root / "a_circle").symlink_to(target, target_is_directory=True)
    (root / "p1" / "up").symlink_to("../..", target_is_directory=True)
    (root.parent / "outside.edf").touch()
    assert names(root) == ["p1/a.edf"]


def test_a_link_to_a_folder_elsewhere_is_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.edf").touch()
    (root / "p0").symlink_to(tmp_path / "elsewhere")
    assert names(root) == ["p0/b.edf", "p1/a.edf"]


def test_a_linked_folder_is_read_once_under_its_own_path(root: Path) -> None:
    (root / "a_link").symlink_to("p1")
    found, messages = find_edf_files(root)
    assert [file.folders for file in found] == [("p1",)]
    assert messages == [f"link skipped, its folder is already read: {root}/a_link"]


def test_a_corpus_folder_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert names(tmp_path / "link") == ["p1/a.edf"]


def test_linked_recordings_are_found_and_broken_links_are_reported(root: Path) -> None:
    (root / "b.edf").symlink_to("p1/a.edf")
    (root / "c.edf").symlink_to("nowhere")
    (root / "d.edf").mkdir()
    found, messages = find_edf_files(root)
    assert [file.path.name for file in found] == ["b.edf", "a.edf"]
    assert messages == [f"skipped, broken link or not a file: {root}/c.edf"]


def test_hidden_files_and_folders_are_skipped(root: Path) -> None:
    (root / "p1" / "._a.edf").touch()
    (root / ".trash").mkdir()
    (root / ".trash" / "b.edf").touch()
    assert names(root) == ["p1/a.edf"]


def test_a_folder_that_cannot_be_read_is_skipped_with_a_message(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "p2").mkdir()
    scandir = os.scandir

    @contextmanager
    def denied(folder: Path) -> Iterator[Any]:
        if folder.name == "p2":
            raise PermissionError(13, "Permission denied")
        with scandir(folder) as entries:
            yield entries

    monkeypatch.setattr(os, "scandir", denied)
    corpus = find_recordings(root)
    assert len(corpus.recordings) == 1
    assert f"folder skipped: {root}/p2: Permission denied" in corpus.messages


def test_if_no_folder_can_be_read_the_error_gives_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(CorpusError, match="Permission denied"):
        find_recordings(tmp_path)
