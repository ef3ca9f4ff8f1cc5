"""Folders of the local file system."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path

from seizurekit.atomic import open_atomic, write_atomic
from seizurekit.storage.folder import Span, Writable


class LocalFolder:
    """A local folder, see `Folder`; it need not exist yet."""

    is_local = True

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self.url = str(self.path)

    def __repr__(self) -> str:
        return f"LocalFolder({self.url!r})"

    def at(self, name: str) -> LocalFolder:
        """The subfolder of that name."""
        return LocalFolder(self.path / name)

    def read(self, name: str) -> bytes:
        """The content of a file."""
        return (self.path / name).read_bytes()

    def read_all(self, names: Sequence[str]) -> list[bytes]:
        """The contents of several files."""
        return [self.read(name) for name in names]

    def read_present(self, names: Sequence[str]) -> dict[str, bytes]:
        """The contents of those of the files that exist."""
        return {name: self.read(name) for name in names if (self.path / name).exists()}

    def read_spans(self, spans: Sequence[Span]) -> list[memoryview]:
        """Parts of files; a part is shorter if its file ends earlier."""
        parts = []
        for span in spans:
            with (self.path / span.name).open("rb") as file:
                parts.append(memoryview(os.pread(file.fileno(), span.stop - span.start, span.start)))
        return parts

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, or replaces it, by a rename."""
        write_atomic(self.path / name, content)

    def open_atomic(self, name: str) -> AbstractContextManager[Writable]:
        """A new file, which appears by a rename when the block ends."""
        return open_atomic(self.path / name)

    def create(self, name: str, content: bytes) -> bool:
        """Writes a file unless it exists, and returns whether it did."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Removes a file if it exists."""
        (self.path / name).unlink(missing_ok=True)

    def size(self, name: str) -> int | None:
        """Size of a file in bytes; None if it does not exist."""
        path = self.path / name
        return path.stat().st_size if path.is_file() else None

    def files(self) -> dict[str, int]:
        """Sizes in bytes of all files in the folder and below, by name."""
        paths = sorted(path for path in self.path.rglob("*") if path.is_file())
        return {path.relative_to(self.path).as_posix(): path.stat().st_size for path in paths}

    def folders(self) -> list[str]:
        """Names of the subfolders."""
        return sorted(path.name for path in self.path.iterdir() if path.is_dir()) if self.path.is_dir() else []
