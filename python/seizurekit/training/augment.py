"""Random changes to training windows that leave a seizure a seizure.

The changes to a window follow from the seed, the epoch and the window's index. They do not depend on the batch that
the window is in, on the rank that reads it, or on whether the run was resumed. Each window therefore has a random
generator of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seizurekit.recordings.channels import CANONICAL_CHANNELS

_OTHER_SIDE = {"Fp1": "Fp2", "F3": "F4", "C3": "C4", "P3": "P4", "F7": "F8", "T3": "T4", "T5": "T6", "O1": "O2"}
_PAIRS = {**_OTHER_SIDE, **{right: left for left, right in _OTHER_SIDE.items()}}
MIRROR = [CANONICAL_CHANNELS.index(_PAIRS.get(name, name)) for name in CANONICAL_CHANNELS]
"""Position of each channel's counterpart on the other side of the head; midline channels map to themselves."""

SPREAD = 0.25
"""Standard deviation of the logarithm of a channel's gain."""


def augment(x_BCT: Tensor, indices: npt.NDArray[np.int64], seed: int, epoch: int) -> Tensor:
    """Windows of which half are mirrored, with the gain of each channel changed by about a quarter.

    Args:
        x_BCT: windows float [B, 19, T].
        indices: index of each window in the split, int64 [B].
        seed: seed of the run, 0 or more.
        epoch: epoch, 0 or more.

    Returns:
        New windows with the shape, dtype and device of x_BCT.

    Raises:
        ValueError: there is not one index per window.
    """
    if indices.shape != x_BCT.shape[:1]:
        raise ValueError(f"indices has shape {indices.shape}, expected one index for each of {len(x_BCT)} windows")
    mirrored_B, gain_BC = draw_changes(indices, seed, epoch)
    windows, channels, samples = x_BCT.shape
    source_BC = np.where(mirrored_B[:, None], MIRROR, np.arange(channels))
    rows = torch.from_numpy((np.arange(windows)[:, None] * channels + source_BC).ravel()).to(x_BCT.device)
    gain = torch.from_numpy(gain_BC.reshape(-1, 1)).to(x_BCT.device)
    # Copies each row once to its destination and scales it there, so that nothing is computed for both cases.
    return x_BCT.reshape(-1, samples).index_select(0, rows).mul_(gain).view_as(x_BCT)


def draw_changes(
    indices: npt.NDArray[np.int64], seed: int, epoch: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
    """Whether each window is mirrored, [B], and the gain of each channel after mirroring, float32 [B, 19]."""
    rngs = [np.random.default_rng((seed, epoch, index)) for index in indices.tolist()]
    mirrored_B = np.array([rng.random() < 0.5 for rng in rngs], dtype=bool)
    normal_BC = np.array([rng.standard_normal(len(CANONICAL_CHANNELS)) for rng in rngs])
    return mirrored_B, np.exp(SPREAD * normal_BC).astype(np.float32)
