"""Files that appear complete or not at all.

A file is written under a temporary name in its own folder, synced, and renamed. A process that is killed leaves the
temporary file behind; `is_leftover` recognizes its name.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_PREFIX, _SUFFIX = ".seizurekit-", ".tmp"
_EARLIER_NAME = re.compile(r"\..+\.[0-9]+\.tmp")
"""Temporary names before 0.1.0, ``.NAME.PID.tmp``; unfinished builds of that time are still cleaned."""


def write_atomic(path: Path, content: bytes) -> None:
    """Writes a file; the earlier file of that name stays until the new one is complete.

    Raises:
        OSError: the file cannot be written, e.g. because the disk is full; names `path`.
    """
    with open_atomic(path) as file:
        file.write(content)


class NewFile:
    """A file that `open_atomic` opened for writing."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path

    def write(self, data: bytes) -> None:
        """Appends bytes to the file. Raises OSError, which names the file."""
        with _name_file_in_errors(self._path):
            self._file.write(data)


@contextmanager
def open_atomic(path: Path) -> Iterator[NewFile]:
    """Opens a new file, which appears under its name when the block ends, or never if the block raises.

    Raises:
        OSError: the file cannot be written; names `path`.
    """
    with replace_atomic(path) as temporary:
        with _name_file_in_errors(path):
            file = temporary.open("xb")
        try:
            yield NewFile(file, path)
            with _name_file_in_errors(path):
                file.close()
        finally:
            with suppress(OSError):  # already raised, by the write that failed
                file.close()


@contextmanager
def replace_atomic(path: Path) -> Iterator[Path]:
    """Gives a temporary path for a writer that opens its file by itself.

    The file that the block writes there takes the place of `path` when the block ends, or is removed if it raises.

    Raises:
        OSError: the file cannot be synced or renamed; names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_PREFIX}{path.name}.{secrets.token_hex(4)}{_SUFFIX}")
    try:
        yield temporary
        with _name_file_in_errors(path):
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_leftover(name: str) -> bool:
    """Whether a file of that name is one that a killed process was writing."""
    return (name.startswith(_PREFIX) and name.endswith(_SUFFIX)) or _EARLIER_NAME.fullmatch(name) is not None


def remove_leftovers(folder: Path) -> None:
    """Removes what killed processes left in a folder and below. No other process may be writing there."""
    for path in folder.rglob(f".*{_SUFFIX}"):
        if is_leftover(path.name):
            path.unlink(missing_ok=True)


@contextmanager
def _name_file_in_errors(path: Path) -> Iterator[None]:
    """Gives errors the file name that the user knows: a full disk names none, and others the temporary one."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
