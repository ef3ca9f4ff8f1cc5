"""The interface of local folders and object stores: files by name, each complete or missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

Options = Mapping[str, Any]
"""Options of an object store: those of obstore's store of that scheme, its ``client_options`` and ``retry_config``."""


@dataclass(frozen=True)
class Span:
    """Bytes [start, stop) of a file."""

    name: str
    start: int
    stop: int


class Writable(Protocol):
    """A file that is being written."""

    def write(self, data: bytes, /) -> object:
        """Appends bytes."""


class Folder(Protocol):
    """A local folder, or a prefix of an object store. File names are relative, with ``/`` between their parts.

    Can be pickled, and used from several threads. Every method may raise StorageError or, for a local folder, OSError.
    Their messages name the path or URL, but never a credential.

    Attributes:
        url: the path or URL without credentials, for messages.
        is_local: its files can be opened by their paths.
    """

    url: str
    is_local: bool

    def at(self, name: str) -> Folder:
        """The subfolder of that name."""

    def read(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""

    def read_all(self, names: Sequence[str]) -> list[bytes]:
        """The contents of several files, fetched together. Raises FileNotFoundError."""

    def read_present(self, names: Sequence[str]) -> dict[str, bytes]:
        """The contents of those of the files that exist, fetched together."""

    def read_spans(self, spans: Sequence[Span]) -> list[memoryview]:
        """Parts of files, fetched together; one request for spans that are close. Raises FileNotFoundError."""

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, or replaces it; it appears complete or not at all."""

    def open_atomic(self, name: str) -> AbstractContextManager[Writable]:
        """A new file, which appears when the block ends, or never if the block raises."""

    def create(self, name: str, content: bytes) -> bool:
        """Writes a file unless it exists, and returns whether it did. Only one of several callers succeeds."""

    def remove(self, name: str) -> None:
        """Removes a file if it exists."""

    def size(self, name: str) -> int | None:
        """Size of a file in bytes; None if it does not exist."""

    def files(self) -> dict[str, int]:
        """Sizes in bytes of all files in the folder and below, by name."""

    def folders(self) -> list[str]:
        """Names of the subfolders."""
