"""The smallest configuration that shows what tests of training look at, for Python and for the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seizurekit.config import Config

DEMO = Path(__file__).resolve().parents[1] / "configs" / "demo.yaml"
MODEL = {"widths": [4, 4, 8], "layers": 1, "headdim": 2, "d_state": 4}
"""A detector of 3,000 parameters."""


def tiny_config(store: str | Path = "store", **sections: Any) -> Config:
    """A configuration with short windows and the detector `MODEL`.

    Args:
        store: the store.
        sections: keys of sections that replace or add to the tiny ones, such as ``training={"epochs": 1}``.
    """
    values: dict[str, Any] = {
        "name": "tiny",
        "seed": 5,
        "cache": {"dir": str(store), "window": 5.0, "stride": 5.0},
        "loader": {"batch_size": 4},
        "model": MODEL,
        "training": {"epochs": 2, "device": "cpu"},
        "telemetry": {"every": 1, "tensorboard": False},
    }
    return Config.model_validate(values | {name: values.get(name, {}) | keys for name, keys in sections.items()})


def tiny_overrides(store: str | Path, *more: str) -> list[str]:
    """The same configuration as overrides of configs/demo.yaml, followed by more overrides."""
    values = tiny_config(store).model_dump(mode="json", exclude_unset=True)
    return [*(f"{name}={json.dumps(value)}" for name, value in values.items()), *more]
