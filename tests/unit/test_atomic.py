"""Files appear complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from seizurekit.atomic import is_leftover, open_atomic, remove_leftovers, replace_atomic, sync, write_atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "made" / "a.bin"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert names(path.parent) == ["a.bin"]


def write_parts(path: Path) -> None:
    with open_atomic(path) as file:
        file.write(b"af")
        assert [is_leftover(name) for name in names(path.parent) if name != path.name] == [True]
        file.write(b"ter")


def write_by_path(path: Path) -> None:
    with replace_atomic(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_bytes(b"after")


WRITERS = [lambda path: write_atomic(path, b"after"), write_parts, write_by_path]


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_is_synced_then_renamed_then_its_folder_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    seen: list[tuple[bool, bytes]] = []
    monkeypatch.setattr("seizurekit.atomic.sync", lambda synced: seen.append((synced == tmp_path, path.read_bytes())))
    write(path)
    assert seen == [(False, b"before"), (True, b"after")]
    assert names(tmp_path) == ["a.bin"]


def test_sync_flushes_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.bin").write_bytes(b"content")
    seen: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(os.fstat(descriptor).st_ino))
    sync(tmp_path / "a.bin")
    sync(tmp_path)
    assert seen == [(tmp_path / "a.bin").stat().st_ino, tmp_path.stat().st_ino]


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_names_the_file_and_keeps_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.bin"
    write_atomic(path, b"before")

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seizurekit.atomic.sync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*/a\.bin"):
        write(path)
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == ["a.bin"]


def test_a_block_that_raises_leaves_no_file(tmp_path: Path) -> None:
    def interrupted() -> None:
        with open_atomic(tmp_path / "a.bin") as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert names(tmp_path) == []


def test_an_error_of_something_else_in_the_block_keeps_its_own_file_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"), open_atomic(tmp_path / "a.bin") as file:
        file.write((tmp_path / "absent").read_bytes())


def test_a_folder_of_that_name_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(IsADirectoryError, match=r"/a\.bin"):
        write_atomic(tmp_path / "a.bin", b"content")
    assert names(tmp_path) == ["a.bin"]


def test_only_our_own_temporary_files_are_leftovers(tmp_path: Path) -> None:
    with replace_atomic(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"")
        ours = temporary.name
    earlier = [".0.4711.tmp", ".zarr.json.123.tmp"]
    others = ["a.bin", ".hidden", "notes.tmp", ".notes.tmp", ".0.tmp", ".seizurekit-notes"]
    (tmp_path / "below").mkdir()
    for name in (ours, *earlier, *others):
        (tmp_path / "below" / name).write_bytes(b"")
    remove_leftovers(tmp_path)
    assert names(tmp_path / "below") == sorted(others)
