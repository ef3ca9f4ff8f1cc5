"""Checkpoints: one safetensors file each, its weights and, as JSON in its header, everything needed to use them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from pydantic import ValidationError

from seizurekit.atomic import write_whole
from seizurekit.config import Config
from seizurekit.errors import CheckpointError
from seizurekit.models import build
from seizurekit.signal.chain import Chain
from seizurekit.version import __version__

FORMAT = "seizurekit-checkpoint"
FORMAT_VERSION = 1
_HEADER = "seizurekit"


@dataclass(frozen=True)
class Checkpoint:
    """A trained detector.

    Attributes:
        model: the network, in evaluation mode, on the CPU when loaded.
        config: what it was trained with.
        seizure_ratio: share of seizure samples in its training windows.
        threshold: of the smoothed probability, at which it is to be run.
        epoch: after which it was saved, from 1.
        metrics: its scores on ``dev`` at that time.
        origin: fingerprints of the stores it was trained on, versions, and the commit of the code; empty if unknown.
    """

    model: torch.nn.Module
    config: Config
    seizure_ratio: float
    threshold: float
    epoch: int
    metrics: dict[str, float]
    origin: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: str | PathLike[str], checkpoint: Checkpoint) -> None:
    """Writes a checkpoint; the file appears whole or not at all, and what was there before stays until then."""
    chain = Chain()
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "version": __version__,
        "config": checkpoint.config.model_dump(mode="json"),
        "chain": {"hash": chain.hash, **chain.to_dict()},
        "seizure_ratio": checkpoint.seizure_ratio,
        "threshold": checkpoint.threshold,
        "epoch": checkpoint.epoch,
        "metrics": checkpoint.metrics,
        "origin": checkpoint.origin,
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.model.state_dict().items()}
    write_whole(Path(path), safetensors.torch.save(weights, {_HEADER: json.dumps(header)}))


def load_checkpoint(path: str | PathLike[str]) -> Checkpoint:
    """Reads a checkpoint.

    Raises:
        CheckpointError: no such file, one that is no checkpoint or a damaged one, or one of another model or chain than
            this version has; the message names both.
    """
    path = Path(path)
    header, weights = _read(path)
    _check(path, header)
    try:
        config = Config.model_validate_json(json.dumps(header["config"]))
        model = build(config, float(header["seizure_ratio"]))
        metrics = {str(name): float(value) for name, value in header["metrics"].items()}
        threshold, epoch = float(header["threshold"]), int(header["epoch"])
    except ValidationError as error:
        fault = error.errors()[0]
        key, found = ".".join(map(str, fault["loc"])), f"{fault['input']!r:.80}"
        raise CheckpointError(
            f"{path}: a checkpoint of another model: {key}: found {found}; in this version: {fault['msg']}"
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: damaged header: {error!r}, wanted that of a checkpoint") from None
    _load_weights(path, model, weights)
    ratio, origin = float(header["seizure_ratio"]), dict(header.get("origin", {}))
    return Checkpoint(model.eval(), config, ratio, threshold, epoch, metrics, origin)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    if path.is_dir():
        raise CheckpointError(f"{path}: found a folder, wanted a checkpoint file such as {path / 'best.safetensors'}")
    if not path.exists():
        raise CheckpointError(f"{path}: found no such file, wanted a checkpoint")
    try:
        with safetensors.safe_open(os.fspath(path), framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        header = json.loads(metadata.get(_HEADER, "null"))
    except (safetensors.SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: found no whole safetensors file ({error}), wanted a checkpoint") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise CheckpointError(f"{path}: found a safetensors file of something else, wanted a seizurekit checkpoint")
    return header, weights


def _check(path: Path, header: dict[str, Any]) -> None:
    """Refuses what another version of the format or another chain would give a wrong meaning."""
    chain = Chain()
    wanted = {"format_version": FORMAT_VERSION, "chain": {"hash": chain.hash, **chain.to_dict()}}
    for key, value in wanted.items():
        found = header.get(key)
        if isinstance(found, dict) and isinstance(value, dict):
            differing = [name for name in value if found.get(name) != value[name]]
            key, found, value = "another chain", *({name: d.get(name) for name in differing} for d in (found, value))
        if found != value:
            by = f"written by version {header.get('version')}"
            raise CheckpointError(f"{path}: {key}: found {found!r:.200} ({by}), wanted {value!r:.200}")


def _load_weights(path: Path, model: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise CheckpointError(
                f"{path}: weights of another model than its configuration says: {name}: found "
                f"{found.get(name, 'nothing')}, wanted {wanted.get(name, 'nothing')}"
            )
    model.load_state_dict(weights)
