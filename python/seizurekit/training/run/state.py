"""Training states: what a run goes on from, one safetensors file each, loadable without running code from it.

Tensors are named ``model.*``, ``average.*``, and by the optimiser's ``exp_avg.*``, ``exp_avg_sq.*`` and ``step.*``; the
rest is JSON in the header, with a checksum over all of it. A file appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from seizurekit.atomic import remove_leftovers, write_whole
from seizurekit.errors import CheckpointError

FORMAT = "seizurekit-training-state"
FORMAT_VERSION = 1
_HEADER = "seizurekit"
_NAME = "step-{:09d}.safetensors"


@dataclass(frozen=True)
class TrainingState:
    """A state that was read whole.

    Attributes:
        path: its file.
        tensors: by name, on the CPU.
        header: config, stores, progress, and what else was saved beside them.
    """

    path: Path
    tensors: dict[str, Tensor]
    header: dict[str, Any]


def save_state(folder: Path, step: int, tensors: Mapping[str, Tensor], header: Mapping[str, Any], keep: int) -> Path:
    """Writes the state of a step and removes all but the newest `keep`; the newest is never the one removed."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    whole = {"format": FORMAT, "format_version": FORMAT_VERSION, **header}
    whole["checksum"] = _checksum(whole, held)
    path = folder / _NAME.format(step)
    write_whole(path, safetensors.torch.save(held, {_HEADER: json.dumps(whole, allow_nan=True)}))
    for old in _states(folder)[keep:]:
        old.unlink(missing_ok=True)
    return path


def newest_state(folder: Path, warn: Callable[[str], None]) -> TrainingState | None:
    """The newest state that is whole; `warn` is told of each damaged one before it. None where there is none.

    Raises:
        CheckpointError: there are states, and all of them are damaged; a run is not begun anew in silence.
    """
    damaged = []
    for path in _states(folder):
        try:
            return _read(path)
        except CheckpointError as error:
            damaged.append(str(error))
            warn(f"{error}; the state before it is tried")
    if damaged:
        raise CheckpointError(f"{folder}: found {len(damaged)} training states, all of them damaged: {damaged[0]}")
    return None


def has_states(folder: Path) -> bool:
    """Whether there is a state, whole or not."""
    return bool(_states(folder))


def remove_states(folder: Path) -> None:
    """Removes every state, and what killed runs left of theirs."""
    for path in _states(folder):
        path.unlink(missing_ok=True)
    remove_leftovers(folder)


def _states(folder: Path) -> list[Path]:
    """The files, the newest first."""
    return sorted(folder.glob("step-*.safetensors"), reverse=True)


def _read(path: Path) -> TrainingState:
    try:
        with safetensors.safe_open(os.fspath(path), framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged: found no whole safetensors file ({error})") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise CheckpointError(f"{path}: found a safetensors file of something else, wanted a training state")
    if header.get("format_version") != FORMAT_VERSION:
        found = f"{header.get('format_version')!r} (written by version {header.get('versions', {}).get('seizurekit')})"
        raise CheckpointError(f"{path}: format_version: found {found}, wanted {FORMAT_VERSION}")
    if header.pop("checksum", None) != _checksum(header, tensors):
        raise CheckpointError(f"{path}: damaged: its content does not fit its checksum")
    return TrainingState(path, tensors, header)


def _checksum(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
