"""seizurekit: from clinical EEG recordings to a trained, scored seizure detector.

Names are loaded on first use: ``import seizurekit`` takes milliseconds. Reading recordings, building stores and reading
windows need neither torch nor matplotlib; `WindowLoader`, the datasets, `models` and `ops` need torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from seizurekit.errors import install_hint

if TYPE_CHECKING:
    from seizurekit import models as models
    from seizurekit import ops as ops
    from seizurekit.cache.build.build_cache import build_cache as build_cache
    from seizurekit.cache.store import open_cache as open_cache
    from seizurekit.errors import EdfError as EdfError
    from seizurekit.errors import SeizurekitError as SeizurekitError
    from seizurekit.loading.dataset import BalancedSeizureDataset as BalancedSeizureDataset
    from seizurekit.loading.dataset import EEGWindowDataset as EEGWindowDataset
    from seizurekit.loading.loader import WindowLoader as WindowLoader
    from seizurekit.recordings.annotations import read_annotations as read_annotations
    from seizurekit.recordings.edf import open_edf as open_edf
    from seizurekit.recordings.repair import repair_edf as repair_edf
    from seizurekit.signal.chain import Chain as Chain
    from seizurekit.signal.preprocess import preprocess as preprocess
    from seizurekit.version import __version__ as __version__

_MODULE_OF = {
    "BalancedSeizureDataset": "seizurekit.loading.dataset",
    "Chain": "seizurekit.signal.chain",
    "EEGWindowDataset": "seizurekit.loading.dataset",
    "EdfError": "seizurekit.errors",
    "SeizurekitError": "seizurekit.errors",
    "WindowLoader": "seizurekit.loading.loader",
    "__version__": "seizurekit.version",
    "build_cache": "seizurekit.cache.build.build_cache",
    "open_cache": "seizurekit.cache.store",
    "open_edf": "seizurekit.recordings.edf",
    "preprocess": "seizurekit.signal.preprocess",
    "read_annotations": "seizurekit.recordings.annotations",
    "repair_edf": "seizurekit.recordings.repair",
}

_SUBPACKAGES = ("models", "ops")

__all__ = [
    "BalancedSeizureDataset",
    "Chain",
    "EEGWindowDataset",
    "EdfError",
    "SeizurekitError",
    "WindowLoader",
    "__version__",
    "build_cache",
    "models",
    "open_cache",
    "open_edf",
    "ops",
    "preprocess",
    "read_annotations",
    "repair_edf",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF and name not in _SUBPACKAGES:
        raise AttributeError(f"module 'seizurekit' has no attribute {name!r}")
    try:
        module = importlib.import_module(_MODULE_OF.get(name, f"seizurekit.{name}"))
    except ModuleNotFoundError as error:
        if hint := install_hint(error.name):
            error.add_note(f"seizurekit.{name}: {hint}")
        raise
    value = module if name in _SUBPACKAGES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
