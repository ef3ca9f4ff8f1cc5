"""seizurekit: from clinical EEG recordings to a trained, scored seizure detector.

Names are loaded when first used, so that ``import seizurekit`` costs milliseconds and does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seizurekit.errors import EdfError as EdfError
    from seizurekit.errors import SeizurekitError as SeizurekitError
    from seizurekit.recordings.annotations import read_annotations as read_annotations
    from seizurekit.recordings.edf import open_edf as open_edf

_HOME = {
    "EdfError": "seizurekit.errors",
    "SeizurekitError": "seizurekit.errors",
    "open_edf": "seizurekit.recordings.edf",
    "read_annotations": "seizurekit.recordings.annotations",
}

__all__ = ["EdfError", "SeizurekitError", "__version__", "open_edf", "read_annotations"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = importlib.import_module("importlib.metadata").version("seizurekit")
    elif name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'seizurekit' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
