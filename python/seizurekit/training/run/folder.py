"""The folder of a run: its files, and the lock that keeps a second run out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from seizurekit.errors import ConfigError
from seizurekit.locks import LockedError, exclusive_lock
from seizurekit.training.run.state import has_states, remove_states
from seizurekit.training.telemetry.telemetry import METRICS


@dataclass(frozen=True)
class RunFolder:
    """The files of a run."""

    path: Path

    @property
    def best(self) -> Path:
        """The detector file of the best epoch."""
        return self.path / "best.safetensors"

    @property
    def metrics(self) -> Path:
        """The log, one JSON record a line."""
        return self.path / METRICS

    @property
    def states(self) -> Path:
        """The folder of the training states."""
        return self.path / "checkpoints"


def check_run_folder(folder: RunFolder, *, resume: bool, overwrite: bool) -> None:
    """Checks that no run in a folder is lost.

    Args:
        folder: the folder, which may be missing.
        resume: a run in the folder will be resumed.
        overwrite: a run in the folder will be replaced.

    Raises:
        ConfigError: there is a run that is neither resumed nor replaced.
    """
    if has_states(folder.states) and not (resume or overwrite):
        raise ConfigError(
            f"{folder.path}: contains a training run; --resume continues it, --overwrite replaces it, or choose "
            "another name="
        )


@contextmanager
def lock_run_folder(folder: RunFolder, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """Creates and locks the folder of a run; the kernel releases the lock when the process ends, even if it is killed.

    Args:
        folder: the folder.
        resume: the run in the folder will be resumed.
        overwrite: the run in the folder is replaced: its states and its detector are removed.

    Raises:
        ConfigError: another run is training in the folder, or there is a run that is neither resumed nor replaced.
    """
    path = folder.path
    path.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(path / ".lock", "training"))
        except LockedError as error:
            raise ConfigError(f"{path}: another run is training in this folder: {error.holder}") from None
        check_run_folder(folder, resume=resume, overwrite=overwrite)  # another run may have held the lock until now
        if overwrite and not resume:
            remove_states(folder.states)
            folder.best.unlink(missing_ok=True)
        yield
