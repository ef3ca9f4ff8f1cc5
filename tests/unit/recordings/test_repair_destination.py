"""The destination of a repaired copy, and failures to write it."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import edfio
import numpy as np
import pytest

import seizurekit as sk


@pytest.fixture
def malformed(tmp_path: Path) -> Path:
    """A file whose time has colons, in its own folder."""
    path = tmp_path / "source" / "malformed.edf"
    path.parent.mkdir()
    data = edfio.Edf([edfio.EdfSignal(np.sin(np.arange(200_000.0)), 1000, label="EEG CZ-REF")]).to_bytes()
    path.write_bytes(data[:176] + b"01:02:03" + data[184:])
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Writes beyond `size` fail, as they do on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("other_name", ["itself", "symbolic link", "hard link", "dotted path"])
def test_the_source_is_rejected_as_destination_under_any_name(malformed: Path, tmp_path: Path, other_name: str) -> None:
    destination = tmp_path / "other.edf"
    if other_name == "itself":
        destination = malformed
    elif other_name == "symbolic link":
        destination.symlink_to(malformed)
    elif other_name == "hard link":
        destination.hardlink_to(malformed)
    else:
        destination = malformed.parent / ".." / "source" / malformed.name
    before = malformed.read_bytes()
    with pytest.raises(sk.EdfError, match="the source file itself"):
        sk.repair_edf(malformed, destination)
    assert malformed.read_bytes() == before
    assert names_in(malformed.parent) == [malformed.name]


def test_a_full_disk_is_an_error_that_names_the_destination_and_leaves_nothing(malformed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    destination = folder / "copy.edf"
    with files_limited_to(100_000), pytest.raises(OSError, match=r"copy\.edf"):
        sk.repair_edf(malformed, destination)
    assert names_in(folder) == []


def test_an_existing_destination_is_kept_if_the_copy_fails(malformed: Path, tmp_path: Path) -> None:
    destination = tmp_path / "copy.edf"
    destination.write_bytes(b"older")
    with files_limited_to(100_000), pytest.raises(OSError, match="copy"):
        sk.repair_edf(malformed, destination)
    assert destination.read_bytes() == b"older"


def test_an_existing_destination_is_replaced_by_the_complete_copy(malformed: Path, tmp_path: Path) -> None:
    destination = tmp_path / "copy.edf"
    destination.write_bytes(b"older")
    sk.repair_edf(malformed, destination)
    assert destination.stat().st_size == malformed.stat().st_size


def test_a_copy_has_the_permissions_of_a_new_file(malformed: Path, tmp_path: Path) -> None:
    destination, ordinary = tmp_path / "copy.edf", tmp_path / "ordinary"
    sk.repair_edf(malformed, destination)
    ordinary.touch()
    assert destination.stat().st_mode == ordinary.stat().st_mode


@pytest.mark.parametrize("destination", ["no such folder/copy.edf", "."])
def test_an_unwritable_destination_is_an_oserror(malformed: Path, tmp_path: Path, destination: str) -> None:
    with pytest.raises(OSError, match=r"cannot write|No such file|Is a directory"):
        sk.repair_edf(malformed, tmp_path / destination)
    assert names_in(tmp_path) == ["source"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(500), b"0".ljust(256)])
def test_a_file_with_a_fault_is_rejected_and_no_copy_appears(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fault.edf"
    path.write_bytes(content)
    with pytest.raises(sk.EdfError, match=r"fault\.edf"):
        sk.repair_edf(path, tmp_path / "copy.edf")
    assert names_in(tmp_path) == ["fault.edf"]


def test_a_missing_source_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sk.repair_edf(tmp_path / "missing.edf", tmp_path / "copy.edf")
    assert names_in(tmp_path) == []
