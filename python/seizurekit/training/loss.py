"""What training minimises: the binary cross-entropy of every sample, seizure samples weighted."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from seizurekit.errors import CacheError


def positive_weight(seizure_ratio: float) -> float:
    """Weight of a seizure sample, ``sqrt((1 - r) / r)``: half way, in logits, between none and equal classes.

    Raises:
        CacheError: the ratio is 0 or 1, so there is nothing to tell apart.
    """
    if not 0.0 < seizure_ratio < 1.0:
        found = "no sample" if seizure_ratio <= 0.0 else "every sample"
        raise CacheError(f"training windows: found {found} in a seizure, wanted samples in and outside of seizures")
    return math.sqrt((1.0 - seizure_ratio) / seizure_ratio)


def seizure_loss(logits: Tensor, mask: Tensor, weight: float) -> Tensor:
    """Mean binary cross-entropy, computed in float32.

    Args:
        logits: float [B, T].
        mask: 1 where there is a seizure, else 0, [B, T].
        weight: of the samples in a seizure.
    """
    logits = logits.float()
    loss: Tensor = functional.binary_cross_entropy_with_logits(
        logits, mask.float(), pos_weight=logits.new_tensor(weight)
    )
    return loss
