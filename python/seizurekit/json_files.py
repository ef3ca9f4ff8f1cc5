"""Reading and writing standard JSON, which has no NaN and no infinities."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any


def without_nan(value: Any) -> Any:
    """A copy in which None replaces NaN and the infinities."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object in a text; an empty one if the text is something else."""
    with suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    return {}
