"""The errors that seizurekit raises for unusable input. All derive from `SeizurekitError`."""

from __future__ import annotations

from os import PathLike, fspath


class SeizurekitError(Exception):
    """Unusable input. The message is one line: where, what, the value and the expected value."""

    exit_code = 1
    """Exit code of a command that ends with this error."""


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
    """An annotation file that cannot be read; the message names file, line, field, value and expected value."""


class ChannelError(SeizurekitError, ValueError):
    """A recording without the electrodes that the preprocessing chain needs."""


class CorpusError(SeizurekitError, ValueError):
    """A folder that cannot be used as a corpus, e.g. because a patient is in two splits."""


class NotFiniteError(SeizurekitError):
    """A training whose loss or gradient was not finite in too many consecutive steps."""

    exit_code = 5


class TrainingStoppedError(SeizurekitError):
    """A training that a signal stopped, after saving a training state. The exit code is 128 + signal number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class CacheError(SeizurekitError):
    """A store that is missing, damaged, incomplete, or built with another preprocessing chain."""


class StorageError(SeizurekitError, OSError):
    """An object store that cannot be reached or refuses access. The message never contains a credential."""


class ConfigError(SeizurekitError, ValueError):
    """A configuration or environment variable with an unknown key or an invalid value."""


class OutputError(SeizurekitError, ValueError):
    """An output path that cannot be used: its suffix is unknown, or it would replace an input."""

    exit_code = 2


class CheckpointError(SeizurekitError):
    """A detector file or training state that is missing, damaged, or does not fit the model or configuration."""


class BackendError(SeizurekitError, RuntimeError):
    """An operation that no back end, or not the requested one, can compute here; names the reason of each."""


_EXTRAS = {
    "torch": "train",
    "safetensors": "train",
    "matplotlib": "train",
    "tensorboard": "train",
    "distributed": "dask",
    "wandb": "wandb",
}


def install_hint(error: ModuleNotFoundError) -> str | None:
    """One line on how to install the optional package that `error` names; None if it names another module."""
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        return None
    return f"{package} is not installed: run pip install '.[{_EXTRAS[package]}]' in a clone of seizurekit"
