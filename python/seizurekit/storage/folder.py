"""One interface to local folders and object stores: files by name, each there whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

Options = Mapping[str, Any]
"""Of an object store: what obstore's store of that scheme takes, and its ``client_options`` and ``retry_config``."""


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
    """A local folder, or a prefix of an object store. Names are relative, with ``/`` between their parts.

    Can be pickled, and used from several threads. Every method may raise StorageError or, for a local folder, OSError;
    the messages name the place, and never a credential.

    Attributes:
        url: what a person would call it.
        is_local: its files can be opened by their path.
    """

    url: str
    is_local: bool

    def at(self, name: str) -> Folder:
        """The folder of that name in it."""

    def read(self, name: str) -> bytes:
        """A file's content. Raises FileNotFoundError."""

    def read_all(self, names: Sequence[str]) -> list[bytes]:
        """Several files' contents, fetched together. Raises FileNotFoundError."""

    def read_present(self, names: Sequence[str]) -> dict[str, bytes]:
        """The contents of those of the files that are there, fetched together."""

    def read_spans(self, spans: Sequence[Span]) -> list[memoryview]:
        """Parts of files, fetched together, neighbours in one request. Raises FileNotFoundError."""

    def write(self, name: str, content: bytes) -> None:
        """Puts a file there, whole or not at all, in place of an earlier one."""

    def open_whole(self, name: str) -> AbstractContextManager[Writable]:
        """A new file, which appears when the block ends, or never if the block raises."""

    def create(self, name: str, content: bytes) -> bool:
        """Puts a file there unless one of its name is there; says whether it did. Of several at once one does."""

    def remove(self, name: str) -> None:
        """Takes a file away; nothing where it is not there."""

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where it is not there."""

    def files(self) -> dict[str, int]:
        """Names of all files in it and below, with their sizes in bytes."""

    def folders(self) -> list[str]:
        """Names of the folders directly in it."""
