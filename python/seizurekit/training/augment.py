"""Random changes to training windows after which a seizure is still the same seizure."""

from __future__ import annotations

import torch
from torch import Tensor

from seizurekit.recordings.channels import CANONICAL_CHANNELS

_OTHER_SIDE = {"Fp1": "Fp2", "F3": "F4", "C3": "C4", "P3": "P4", "F7": "F8", "T3": "T4", "T5": "T6", "O1": "O2"}
_PAIRS = {**_OTHER_SIDE, **{right: left for left, right in _OTHER_SIDE.items()}}
MIRROR = [CANONICAL_CHANNELS.index(_PAIRS.get(name, name)) for name in CANONICAL_CHANNELS]
"""For each channel the position of the one on the other side of the head; the midline's own."""


def augment(x_BCT: Tensor) -> Tensor:
    """Half of the windows are mirrored, and each channel's size varies by about a quarter.

    Args:
        x_BCT: windows float32 [B, 19, T].

    Returns:
        New windows of the same shape; randomness is torch's default generator's.
    """
    mirrored = torch.rand(len(x_BCT)) < 0.5
    x_BCT = torch.where(mirrored[:, None, None].to(x_BCT.device), x_BCT[:, MIRROR], x_BCT)
    gain = torch.exp(0.25 * torch.randn(len(x_BCT), x_BCT.shape[1], 1))
    return x_BCT * gain.to(x_BCT.device)
