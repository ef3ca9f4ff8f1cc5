"""Which changes of configuration, data and code a resumed run accepts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from seizurekit.config import ChangesOnResume, Config, Section
from seizurekit.errors import CheckpointError
from seizurekit.evaluation.detector_file import Origin
from seizurekit.signal.chain import Chain
from seizurekit.training.run.state import TrainingState
from seizurekit.version import __version__


def may_change(key: str) -> bool:
    """Whether a key of the configuration, such as ``training.epochs``, may have another value when a run resumes."""
    section = key.partition(".")[0]
    return not {key, section}.isdisjoint(CHANGES_ON_RESUME)


def _marked_keys(section: type[Section], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        if ChangesOnResume in field.metadata:
            yield f"{prefix}{name}"
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _marked_keys(field.annotation, f"{prefix}{name}.")


CHANGES_ON_RESUME = frozenset(_marked_keys(Config))
"""The keys and whole sections that `Config` marks with `ChangesOnResume`."""


def current_origin(stores: Mapping[str, str]) -> Origin:
    """The origin of weights that this code trains on these stores."""
    return Origin(dict(stores), {"seizurekit": __version__, "torch": torch.__version__}, _commit())


def check_compatible(state: TrainingState, config: Config, origin: Origin) -> list[str]:
    """One line for each accepted change between the run that wrote a state and the run that resumes from it.

    Raises:
        CheckpointError: the preprocessing chain, a store, or a key that changes the result differs; the message names
            each difference with both values.
    """
    header = state.header
    found = {"chain": header.chain, "stores": header.stores}
    other_data = list(_differences(found, {"chain": Chain().hash, "stores": origin.stores}))
    if other_data:
        described = "; ".join(line for _, line in other_data)
        raise CheckpointError(
            f"{state.path}: this state was trained on other data: {described}; start a new run with a different name="
        )
    changes = list(_differences(header.config, config.model_dump(mode="json")))
    refused = [line for key, line in changes if not may_change(key)]
    if refused:
        raise CheckpointError(
            f"{state.path}: cannot resume with another configuration: {'; '.join(refused)}; restore the value, or "
            "start a new run with a different name="
        )
    lines = [line for _, line in changes]
    lines += [line for _, line in _differences(header.versions, origin.versions)]
    return [f"resuming with a changed setting: {line}" for line in lines]


def _differences(saved: Mapping[str, Any], current: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The keys whose values differ, each with a line that names both values."""
    for name in sorted(saved.keys() | current.keys()):
        key, was, now = f"{prefix}{name}", saved.get(name), current.get(name)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from _differences(was, now, f"{key}.")
        elif was != now:
            yield key, f"{key} was {was!r} in the state, now {now!r}"


def _commit() -> str | None:
    """The commit of the checkout that this package runs from, marked if it has changes; None if there is none."""
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    commands = (
        # An installed package may be inside the checkout of another project, which does not track its files.
        [*git, "ls-files", "--error-unmatch", here.name],
        [*git, "describe", "--always", "--dirty", "--abbrev=40"],
    )
    try:
        outputs = [subprocess.run(c, capture_output=True, text=True, timeout=10, check=True).stdout for c in commands]
    except (OSError, subprocess.SubprocessError):
        return None
    return outputs[1].strip() or None
