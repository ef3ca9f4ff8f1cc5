"""The errors that seizurekit raises for unusable input. All derive from `SeizurekitError`."""

from __future__ import annotations

from os import PathLike, fspath


class SeizurekitError(Exception):
    """Unusable input. The message is one line: where, what, the value and the expected value."""

    exit_code = 1
    """Exit code of a command that ends with this error."""


class EdfError(SeizurekitError, ValueError):
    """An EDF or BDF file that cannot be read.

    Attributes:
        file: path of the file.
        byte_offset: where the field starts in the file; None if the error has no position.
        field: name of the field in the EDF specification, e.g. ``"number of signals"``.
        found: value of the field; empty if the field is missing.
        expected: values that are accepted.
    """

    def __init__(
        self, file: str | PathLike[str], byte_offset: int | None, field: str, found: str, expected: str
    ) -> None:
        self.file = fspath(file)
        self.byte_offset = byte_offset
        self.field = field
        self.found = found
        self.expected = expected
        position = "" if byte_offset is None else f"byte {byte_offset}: "
        super().__init__(f"{self.file}: {position}{field} is {found or 'missing'}, expected {expected}")

    def __reduce__(self) -> tuple[type[EdfError], tuple[str, int | None, str, str, str]]:
        return type(self), (self.file, self.byte_offset, self.field, self.found, self.expected)


class AnnotationError(SeizurekitError, ValueError):
    """An annotation file that cannot be read; the message names file, line, field, value and expected value."""


class ChannelError(SeizurekitError, ValueError):
    """A recording without the electrodes that the preprocessing chain needs."""


class CorpusError(SeizurekitError, ValueError):
    """A folder that cannot be used as a corpus, e.g. because a patient is in two splits."""


class NotFiniteError(SeizurekitError):
    """A run whose loss or gradient was not finite in too many consecutive steps."""

    exit_code = 5


class TrainingStoppedError(SeizurekitError):
    """A run that a signal stopped, after saving a training state. The exit code is 128 + signal number."""

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
    """An operation that no back end, or not the requested one, can compute here; the message has the reason of each."""


_EXTRAS = {
    "torch": "train",
    "safetensors": "train",
    "matplotlib": "train",
    "tensorboard": "train",
    "distributed": "dask",
    "wandb": "wandb",
}


def install_hint(module: str | None) -> str | None:
    """One line on how to install the optional package of a module; None if no extra installs it."""
    package = (module or "").partition(".")[0]
    if package not in _EXTRAS:
        return None
    return f"{package} is not installed: run pip install '.[{_EXTRAS[package]}]' in a clone of seizurekit"
