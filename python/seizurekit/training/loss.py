"""Losses: the binary cross-entropy of every sample, or the focal loss, with a weight on seizure samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from seizurekit.errors import CacheError


def positive_weight(seizure_ratio: float) -> float:
    """Weight of a seizure sample, ``sqrt((1 - r) / r)``: half way, in logits, between no weight and balanced classes.

    Raises:
        CacheError: the ratio is 0 or 1, so there is only one class.
    """
    if not 0.0 < seizure_ratio < 1.0:
        amount = "no sample is" if seizure_ratio <= 0.0 else "every sample is"
        raise CacheError(f"training windows: {amount} in a seizure, expected samples inside and outside of seizures")
    return math.sqrt((1.0 - seizure_ratio) / seizure_ratio)


def seizure_loss(
    logits: Tensor, mask: Tensor, weight: float, focal_gamma: float | None = None, *, per_window: bool = False
) -> Tensor:
    """Mean binary cross-entropy, or mean focal loss (Lin et al. 2017), in float32; float64 input gives float64.

    The focal loss is the cross-entropy times ``(1 - p) ** gamma``, where p is the probability of the true class: a
    sample that is already right counts less. The paper's class weight alpha is `weight` here, so with gamma 0 the
    focal loss is the cross-entropy.

    Args:
        logits: float [B, T].
        mask: 1 where there is a seizure, else 0, [B, T].
        weight: weight of a seizure sample; other samples have weight 1.
        focal_gamma: exponent, 0 or more; None for the cross-entropy.
        per_window: return the mean of each window. The sum of these over batches and ranks, divided by the number of
            windows, is the mean loss of a step, however unevenly its windows are divided.

    Returns:
        The mean, a scalar; or [B] if `per_window`.
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    mask = mask.to(logits.dtype)
    loss_BT: Tensor = functional.binary_cross_entropy_with_logits(
        logits,
        mask,
        pos_weight=logits.new_full((), weight),  # new_tensor would make the host wait for the device
        reduction="none",
    )
    if focal_gamma:
        # In logarithms: if 1 - p underflows, the gradient of its power is not finite.
        loss_BT = loss_BT * torch.exp(focal_gamma * functional.logsigmoid((1.0 - 2.0 * mask) * logits))
    return loss_BT.mean(-1) if per_window else loss_BT.mean()
