"""What training minimises: the binary cross-entropy of every sample, or the focal loss, seizure samples weighted."""

from __future__ import annotations

import math

import torch
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


def seizure_loss(
    logits: Tensor, mask: Tensor, weight: float, focal_gamma: float | None = None, *, per_window: bool = False
) -> Tensor:
    """Mean binary cross-entropy, or mean focal loss (Lin et al. 2017), computed in float32; float64 stays float64.

    The focal loss is the cross-entropy times ``(1 - p) ** gamma``, p the probability given to what the sample is: one
    that is already right counts less. Their class weight alpha is `weight` here, so gamma 0 is the cross-entropy.

    Args:
        logits: float [B, T].
        mask: 1 where there is a seizure, else 0, [B, T].
        weight: of the samples in a seizure.
        focal_gamma: 0 or more; None for the cross-entropy.
        per_window: the mean of each window instead, [B]: their sum over ranks and batches, divided by the windows of
            all of them, is the mean loss of a step however unevenly its windows are divided.

    Returns:
        A scalar, or [B].
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    mask = mask.to(logits.dtype)
    loss_BT: Tensor = functional.binary_cross_entropy_with_logits(
        logits,
        mask,
        pos_weight=logits.new_full((), weight),  # new_tensor would make an accelerator wait for the host
        reduction="none",
    )
    if focal_gamma:
        # By its logarithm: where 1 - p is too small for a float, a power of it has no finite slope.
        loss_BT = loss_BT * torch.exp(focal_gamma * functional.logsigmoid((1.0 - 2.0 * mask) * logits))
    return loss_BT.mean(-1) if per_window else loss_BT.mean()
