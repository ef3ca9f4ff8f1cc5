"""Safetensors files with a JSON header, the format of detector files and of training states.

Reading one runs no code from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from seizurekit.atomic import write_atomic
from seizurekit.errors import CheckpointError

M = TypeVar("M", bound=BaseModel)
_KEY = "seizurekit"


@dataclass(frozen=True)
class FileKind:
    """A kind of file, and the values of ``format`` and ``format_version`` in its header.

    Attributes:
        name: its name in error messages, such as ``"detector file"``.
        format: value of ``format``.
        version: value of ``format_version``.
    """

    name: str
    format: str
    version: int

    @property
    def header(self) -> dict[str, Any]:
        """The keys that identify the kind."""
        return {"format": self.format, "format_version": self.version}


def write_tensor_file(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Writes contiguous CPU tensors and a header; the file replaces an older one completely or not at all."""
    write_atomic(path, safetensors.torch.save(dict(tensors), {_KEY: json.dumps(header)}))


def read_tensor_file(path: Path, kind: FileKind) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the header of a file.

    Raises:
        CheckpointError: the file is damaged, of another kind, or of another format version.
    """
    try:
        with safetensors.safe_open(os.fspath(path), framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged: not a complete safetensors file ({error})") from None
    found = header.get("format") if isinstance(header, dict) else None
    if found != kind.format:
        raise CheckpointError(f"{path}: not a {kind.name}: format is {found!r}, expected {kind.format!r}")
    if header.get("format_version") != kind.version:
        raise CheckpointError(
            f"{path}: format_version is {header.get('format_version')!r}{written_by(header)}, expected {kind.version}"
        )
    return tensors, header


def parse_header(model: type[M], header: Mapping[str, Any], path: Path) -> M:
    """The header as a pydantic model.

    Raises:
        CheckpointError: a field is missing or has an impossible value; names the file, the field and both values.
    """
    try:
        return model.model_validate(header)
    except ValidationError as error:
        fault = error.errors()[0]
    field = ".".join(map(str, fault["loc"]))
    if fault["type"] == "missing":
        raise CheckpointError(f"{path}: header: {field} is missing")
    if fault["type"] == "extra_forbidden":
        raise CheckpointError(f"{path}: header: this version has no {field}{written_by(header)}")
    expected = fault["msg"].removeprefix("Input should be ")
    raise CheckpointError(f"{path}: header: {field} is {fault['input']!r:.80}, expected {expected}")


def written_by(header: Mapping[str, Any]) -> str:
    """The version of seizurekit that wrote a file, as `` (written by version 0.1.0)``; empty if the header lacks it."""
    versions = header.get("versions")
    version = header.get("version") or (versions.get("seizurekit") if isinstance(versions, dict) else None)
    return f" (written by version {version})" if version else ""
