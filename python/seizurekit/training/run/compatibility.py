"""Whether a training state is of the run that is to go on, and what of a configuration may change between."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from seizurekit.config import Config
from seizurekit.errors import CheckpointError
from seizurekit.signal.chain import Chain
from seizurekit.training.run.state import TrainingState
from seizurekit.version import __version__

_MAY_CHANGE = (
    "name",
    "cache.dir",  # the store's own fingerprint is compared
    "cache.local_dir",
    "cache.local_dir_gb",
    "loader.kind",
    "loader.batch_size",
    "loader.prefetch",
    "loader.on_error",
    "loader.num_workers",
    "loader.pin_memory",
    "loader.persistent_workers",
    "loader.prefetch_factor",
    "loader.timeout_s",
    "model.require_kernels",
    "training.accumulate",
    "training.device",
    "training.compile",
    "training.activation_checkpointing",
    "training.deterministic",
    "training.stop_after_nonfinite",
    "training.epochs",
    "training.max_steps",
    "validation.patience",
    "checkpoints",
    "telemetry",
    "wandb",
)
"""What a run may go on with otherwise than it began: where and how fast it is computed, and how long."""


def _origin(stores: Mapping[str, str]) -> dict[str, Any]:
    """What weights come from: the fingerprints of the stores, and the code that computed them."""
    return {
        "stores": dict(stores),
        "versions": {"seizurekit": __version__, "torch": torch.__version__},
        "git": _commit(),
    }


def identity(config: Config, stores: Mapping[str, str]) -> dict[str, Any]:
    """What is saved with a state, for it to be known again."""
    return {"config": config.model_dump(mode="json"), "chain": Chain().hash, **_origin(stores)}


def check_same(state: TrainingState, config: Config, stores: Mapping[str, str]) -> list[str]:
    """What changed of what may, as lines to be told.

    Raises:
        CheckpointError: the state is of another run: another chain or store, or a configuration that differs in what
            decides the numbers; names every such key with both values.
    """
    path, wanted = state.path, identity(config, stores)
    found, now = ({name: header[name] for name in ("chain", "stores")} for header in (state.header, wanted))
    other_data = [line for _, line in _differences(found, now)]
    if other_data:
        raise CheckpointError(
            f"{path}: the state was trained on other data: {'; '.join(other_data)}; begin a new run under another name="
        )
    differing = list(_differences(state.header["config"], wanted["config"]))
    fixed = [line for key, line in differing if not key.startswith(_MAY_CHANGE)]
    if fixed:
        raise CheckpointError(f"{path}: cannot go on with another configuration: {'; '.join(fixed)}")
    lines = [line for _, line in differing]
    for name, version in state.header["versions"].items():
        if version != wanted["versions"][name]:
            lines.append(f"{name}: found {version} in the state, now {wanted['versions'][name]}")
    return [f"goes on with a change: {line}" for line in lines]


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name in sorted(found.keys() | wanted.keys()):
        key, was, now = f"{above}{name}", found.get(name), wanted.get(name)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from _differences(was, now, f"{key}.")
        elif was != now:
            yield key, f"{key}: found {was!r} in the state, now {now!r}"


def _commit() -> str | None:
    """The commit of a checkout that this package runs from, marked where it was changed since; None elsewhere."""
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    commands = (
        [*git, "ls-files", "--error-unmatch", here.name],
        [*git, "describe", "--always", "--dirty", "--abbrev=40"],
    )
    try:
        # An installed package may lie within a checkout of something else, which does not know its files.
        said = [subprocess.run(c, capture_output=True, text=True, timeout=10, check=True).stdout for c in commands]
    except (OSError, subprocess.SubprocessError):
        return None
    return said[1].strip() or None
