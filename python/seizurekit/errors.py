"""The errors that seizurekit raises for input it cannot use; all derive from `SeizurekitError`."""

from __future__ import annotations

from os import PathLike, fspath


class SeizurekitError(Exception):
    """Input that cannot be used; the message names the file, the field, the value found and the value wanted."""

    exit_code = 1
    """Of a command that ends with this error."""


class EdfError(SeizurekitError, ValueError):
    """An EDF or BDF file that cannot be read, and where in it the cause lies.

    Attributes:
        file: path of the file.
        byte_offset: where the field starts in the file, or None if the fault has no place.
        field: the field's name in the EDF specification, e.g. ``"number of signals"``.
        found: the value found.
        wanted: what would have been accepted.
    """

    def __init__(self, file: str | PathLike[str], byte_offset: int | None, field: str, found: str, wanted: str) -> None:
        self.file = fspath(file)
        self.byte_offset = byte_offset
        self.field = field
        self.found = found
        self.wanted = wanted
        place = "" if byte_offset is None else f" at byte {byte_offset}"
        super().__init__(f"{self.file}: {field}{place}: found {found}, wanted {wanted}")

    def __reduce__(self) -> tuple[type[EdfError], tuple[str, int | None, str, str, str]]:
        return type(self), (self.file, self.byte_offset, self.field, self.found, self.wanted)


class AnnotationError(SeizurekitError, ValueError):
    """An annotation file that cannot be read: file, line, field, value found and value wanted."""


class ChannelError(SeizurekitError, ValueError):
    """A recording without the electrodes that the chain needs."""


class CorpusError(SeizurekitError, ValueError):
    """A folder of recordings that cannot be used as a corpus, e.g. one patient in two splits."""


class NotFiniteError(SeizurekitError):
    """Training that met a loss or a gradient that is not a finite number."""

    exit_code = 5


class TrainingStoppedError(SeizurekitError):
    """Training that was told to stop, and left a state to go on from; the exit code is a shell's for the signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class CacheError(SeizurekitError):
    """A store that is absent, damaged, incomplete, or of another preprocessing chain."""


class StorageError(SeizurekitError, OSError):
    """An object store that cannot be reached, or that refuses; names the place and the reason, never a credential."""


class ConfigError(SeizurekitError, ValueError):
    """A configuration with an unknown key or an impossible value."""


class OutputError(SeizurekitError, ValueError):
    """An output path that cannot be used: its suffix is unknown, or it would replace an input."""

    exit_code = 2


class CheckpointError(SeizurekitError):
    """A checkpoint that is absent, damaged, or of another model."""


class BackendError(SeizurekitError, RuntimeError):
    """An operation that no back end, or not the one asked for, can compute here; names each one's reason."""
