"""JSON as the standard has it: no NaN, no infinities."""

from __future__ import annotations

import math
from typing import Any


def without_nan(value: Any) -> Any:
    """The same with None for numbers that JSON does not have, NaN and the infinities."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
