"""Detector files: a trained detector in one file, with everything that is needed to use it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, Field

from seizurekit.config import Config
from seizurekit.errors import CheckpointError, ConfigError
from seizurekit.models import build
from seizurekit.signal.chain import Chain
from seizurekit.tensor_file import FileKind, parse_header, read_tensor_file, write_tensor_file, written_by
from seizurekit.version import __version__

# The name on disk is older than the name in the documentation.
DETECTOR_FILE = FileKind("detector file", format="seizurekit-checkpoint", version=1)


@dataclass(frozen=True)
class Origin:
    """The data and the code that weights come from.

    Attributes:
        stores: fingerprint of the store of each split.
        versions: of seizurekit and torch.
        git: commit of the code; None where it is unknown.
    """

    stores: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    git: str | None = None


@dataclass(frozen=True)
class TrainedDetector:
    """A trained detector.

    Attributes:
        model: the network; in evaluation mode and on the CPU when it was loaded from a file.
        config: configuration of its training.
        seizure_ratio: fraction of seizure samples in its training windows.
        threshold: threshold of the smoothed probability for events.
        epoch: epoch after which it was saved, from 1.
        metrics: its scores on ``dev`` after that epoch.
        origin: the data and the code of its training.
    """

    model: torch.nn.Module
    config: Config
    seizure_ratio: float
    threshold: float
    epoch: int
    metrics: dict[str, float]
    origin: Origin = field(default_factory=Origin)


class _Header(BaseModel):
    """Header of a detector file.

    Attributes:
        version: version of seizurekit that wrote the file.
        chain: the preprocessing chain, and its hash.
    """

    version: str
    config: Config
    chain: dict[str, Any]
    seizure_ratio: Annotated[float, Field(gt=0, lt=1)]
    threshold: float
    epoch: int
    metrics: dict[str, float]
    origin: Origin = Origin()


def save_detector(path: str | PathLike[str], detector: TrainedDetector) -> None:
    """Writes a detector file; it replaces an older one completely or not at all."""
    header = {
        **DETECTOR_FILE.header,
        "version": __version__,
        "config": detector.config.model_dump(mode="json"),
        "chain": _chain_header(),
        "seizure_ratio": detector.seizure_ratio,
        "threshold": detector.threshold,
        "epoch": detector.epoch,
        "metrics": detector.metrics,
        "origin": asdict(detector.origin),
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in detector.model.state_dict().items()}
    write_tensor_file(Path(path), weights, header)


def load_detector(path: str | PathLike[str]) -> TrainedDetector:
    """Reads a detector file.

    Raises:
        CheckpointError: the file is missing, damaged or no detector file, or its model or preprocessing chain does not
            exist in this version; the message names the difference.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder, expected a detector file such as {path / 'best.safetensors'}")
    if not path.exists():
        raise CheckpointError(f"{path}: no such file, expected a detector file")
    weights, values = read_tensor_file(path, DETECTOR_FILE)
    header = parse_header(_Header, values, path)
    _check_chain(values, path)
    try:
        model = build(header.config, header.seizure_ratio)
    except ConfigError as error:
        raise CheckpointError(f"{path}: header: {error}") from None
    _load_weights(model, weights, path)
    return TrainedDetector(
        model.eval(), header.config, header.seizure_ratio, header.threshold, header.epoch, header.metrics, header.origin
    )


def _chain_header() -> dict[str, Any]:
    chain = Chain()
    return {"hash": chain.hash, **chain.to_dict()}


def _check_chain(header: dict[str, Any], path: Path) -> None:
    found = header["chain"]
    differences = [
        f"{name} is {found.get(name)!r:.200}, expected {value!r:.200}"
        for name, value in _chain_header().items()
        if found.get(name) != value
    ]
    if differences:
        raise CheckpointError(
            f"{path}: built with another preprocessing chain{written_by(header)}: {'; '.join(differences)}"
        )


def _load_weights(model: torch.nn.Module, weights: dict[str, torch.Tensor], path: Path) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise CheckpointError(
                f"{path}: weights of a different model than the header describes: shape of {name} is "
                f"{found.get(name, 'missing')}, expected {expected.get(name, 'no such tensor')}"
            )
    model.load_state_dict(weights)
