"""Random changes to training windows after which a seizure is still the same seizure.

What happens to a window follows from the seed, the epoch and the window's number, and from nothing else: not from the
batch that it is in, the rank that has it, or whether the run was resumed. So its random numbers are no generator's next
ones but a hash of those three, the finaliser of SplitMix64 (Steele et al. 2014) applied to one after the other.
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
"""For each channel the position of the one on the other side of the head; the midline's own."""

SPREAD = 0.25
"""Standard deviation of the logarithm of a channel's gain."""

UInt64 = npt.NDArray[np.uint64]
_STEP = np.uint64(0x9E3779B97F4A7C15)


def augment(x_BCT: Tensor, numbers: npt.NDArray[np.int64], seed: int, epoch: int) -> Tensor:
    """Half of the windows are mirrored, and each channel's size varies by about a quarter.

    Args:
        x_BCT: windows float [B, 19, T].
        numbers: of the windows in the split, int64 [B].
        seed: of the run, 0 or more.
        epoch: 0 or more.

    Returns:
        New windows of the same shape and dtype, where x_BCT is.

    Raises:
        ValueError: not one number a window.
    """
    if numbers.shape != x_BCT.shape[:1]:
        raise ValueError(f"numbers: found shape {numbers.shape}, wanted one for each of {len(x_BCT)} windows")
    mirrored_B, gain_BC = drawn(numbers, seed, epoch)
    windows, channels, samples = x_BCT.shape
    source_BC = np.where(mirrored_B[:, None], MIRROR, np.arange(channels))
    rows = torch.from_numpy((np.arange(windows)[:, None] * channels + source_BC).ravel()).to(x_BCT.device)
    gain = torch.from_numpy(gain_BC.reshape(-1, 1)).to(x_BCT.device)
    # Whole rows are copied to where they belong, and made larger or smaller there: nothing is computed for both cases.
    return x_BCT.reshape(-1, samples).index_select(0, rows).mul_(gain).view_as(x_BCT)


def drawn(
    numbers: npt.NDArray[np.int64], seed: int, epoch: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
    """Which windows are mirrored, [B], and each channel's gain, after mirroring, float32 [B, 19]."""
    channels = len(CANONICAL_CHANNELS)
    pairs = (channels + 1) // 2
    key_B = _key(numbers, seed, epoch)
    bits_BN = _mixed(key_B[:, None] + _STEP * np.arange(1, 2 * pairs + 2, dtype=np.uint64))
    # 53 bits each, between 0 and 1 and never 0, whose logarithm there is none of
    uniform_BN = ((bits_BN >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(uniform_BN[:, 1 : pairs + 1]))  # Box and Muller (1958): two normals of two uniforms
    angle = 2.0 * np.pi * uniform_BN[:, pairs + 1 :]
    normal_BC = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :channels]
    return uniform_BN[:, 0] < 0.5, np.exp(SPREAD * normal_BC).astype(np.float32)


def _key(numbers: npt.NDArray[np.int64], seed: int, epoch: int) -> UInt64:
    """A number a window, uint64 [B], that any change of seed, epoch or window makes another one altogether."""
    key = np.zeros(1, np.uint64)  # an array, as sums of scalars warn where they run over, which is meant here
    for part in (np.array([seed], np.uint64), np.array([epoch], np.uint64), numbers.astype(np.uint64)):
        key = _mixed((key ^ part) + _STEP)
    return key


def _mixed(bits: UInt64) -> UInt64:
    """SplitMix64's finaliser: each bit of the result depends on each bit given."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
