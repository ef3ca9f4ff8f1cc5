"""Training states, from which a run resumes; one safetensors file each.

Tensors are named ``model.*``, ``average.*``, and after the optimizer's state ``exp_avg.*``, ``exp_avg_sq.*`` and
``step.*``. The rest is JSON in the header, with a checksum over all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor

from seizurekit.atomic import remove_leftovers
from seizurekit.errors import CheckpointError
from seizurekit.tensor_file import FileKind, parse_header, read_tensor_file, write_tensor_file
from seizurekit.training.run.progress import Progress

TRAINING_STATE = FileKind("training state", format="seizurekit-training-state", version=1)
_NAME = "step-{:09d}.safetensors"


class StateHeader(BaseModel):
    """All of a training state but its tensors.

    Attributes:
        config: configuration of the run, as JSON.
        chain: hash of the preprocessing chain.
        stores: fingerprint of the store of each split.
        versions: versions of seizurekit and torch.
        git: commit of the code; None where it is unknown.
        progress: steps, epochs, sums and the best epoch.
        scaler: state of the loss scaler; empty without one.
        telemetry: state of the telemetry.
    """

    config: dict[str, Any]
    chain: str
    stores: dict[str, str]
    versions: dict[str, str]
    git: str | None
    progress: Progress
    scaler: dict[str, int | float] = {}
    telemetry: dict[str, Any] = {}


@dataclass(frozen=True)
class TrainingState:
    """A training state that was read from a file.

    Attributes:
        path: the file.
        tensors: its tensors by name, on the CPU.
        header: all the rest.
    """

    path: Path
    tensors: dict[str, Tensor]
    header: StateHeader


def save_state(folder: Path, tensors: Mapping[str, Tensor], header: StateHeader, keep: int) -> Path:
    """Writes a state, named after its step, and removes all but the newest `keep` states.

    A file appears completely or not at all.
    """
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    values = {**TRAINING_STATE.header, **header.model_dump(by_alias=True)}
    values["checksum"] = _checksum(values, on_cpu)
    path = folder / _NAME.format(header.progress.step)
    write_tensor_file(path, on_cpu, values)
    for old in _state_files(folder)[keep:]:
        old.unlink(missing_ok=True)
    return path


def newest_state(folder: Path, warn: Callable[[str], None]) -> TrainingState | None:
    """The newest undamaged state; None if there are no states. Each damaged one that is newer goes to `warn`.

    Raises:
        CheckpointError: there are states, and all of them are damaged.
    """
    damaged = []
    for path in _state_files(folder):
        try:
            return _read_state(path)
        except CheckpointError as error:
            damaged.append(str(error))
            warn(f"{error}; trying the previous one")
    if damaged:
        raise CheckpointError(f"{folder}: all {len(damaged)} training states are damaged; the newest: {damaged[0]}")
    return None


def has_states(folder: Path) -> bool:
    """Whether there is a state, damaged or not."""
    return bool(_state_files(folder))


def remove_states(folder: Path) -> None:
    """Removes all states, and the temporary files of killed runs."""
    for path in _state_files(folder):
        path.unlink(missing_ok=True)
    remove_leftovers(folder)


def _state_files(folder: Path) -> list[Path]:
    """The files, newest first."""
    return sorted(folder.glob("step-*.safetensors"), reverse=True)


def _read_state(path: Path) -> TrainingState:
    tensors, values = read_tensor_file(path, TRAINING_STATE)
    if values.pop("checksum", None) != _checksum(values, tensors):
        raise CheckpointError(f"{path}: damaged: the content does not match the checksum")
    return TrainingState(path, tensors, parse_header(StateHeader, values, path))


def _checksum(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
