"""The folder of a run: its files, and that only one training writes there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from seizurekit.errors import ConfigError
from seizurekit.locks import LockedError, exclusive_lock
from seizurekit.training.run.state import has_states, remove_states
from seizurekit.training.telemetry.telemetry import METRICS

BEST = "best.safetensors"
STATES = "checkpoints"
_LOCK = ".lock"


@dataclass(frozen=True)
class RunFolder:
    """Where a run's files are."""

    path: Path

    @property
    def best(self) -> Path:
        """The best epoch's detector."""
        return self.path / BEST

    @property
    def metrics(self) -> Path:
        """Every record, a line each."""
        return self.path / METRICS

    @property
    def states(self) -> Path:
        """The folder of the training states."""
        return self.path / STATES


@contextmanager
def held(path: Path, *, resume: bool, overwrite: bool) -> Iterator[RunFolder]:
    """Holds a run's folder; the kernel lets go of it when the process ends, however it ends.

    Args:
        path: the folder; it is made.
        resume: the run there is to go on.
        overwrite: what is there is replaced.

    Raises:
        ConfigError: another training holds it, or there is one that is neither to go on nor to be replaced.
    """
    folder = RunFolder(path)
    if has_states(folder.states) and not (resume or overwrite):
        raise ConfigError(
            f"{path}: found a training that was begun before, wanted --resume to go on with it, --overwrite to replace "
            "it, or another name="
        )
    path.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(path / _LOCK, "training"))
        except LockedError as error:
            raise ConfigError(f"{path}: found a training running here, {error.holder}") from None
        if overwrite and not resume:
            remove_states(folder.states)
            folder.best.unlink(missing_ok=True)
        yield folder
