"""Whether probabilities mean what they say: the Brier score and the expected calibration error of samples.

Both come from sums that are added up exactly, recording by recording; neither is read off a histogram.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

BINS = 15
"""Of equal width, as in Guo et al. (2017)."""


def calibration_sums(probability: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8]) -> Float64:
    """What the expected calibration error needs of one recording; of several it is added.

    Args:
        probability: of a seizure at every sample, float32 [sample].
        mask: 1 where a sample is in a seizure, else 0, uint8 [sample].

    Returns:
        float64 [3, bin]: samples, sum of their probabilities, seizure samples. Bin m holds probabilities above m / 15
        up to (m + 1) / 15, the first bin 0 too. NaN throughout where a probability is NaN.
    """
    p = probability.astype(np.float64)
    if np.isnan(p).any():
        return np.full((3, BINS), np.nan)
    bins = np.maximum(np.ceil(p * BINS).astype(np.int64) - 1, 0)
    return np.stack(
        [
            np.bincount(bins, minlength=BINS),
            np.bincount(bins, p, minlength=BINS),
            np.bincount(bins[mask > 0], minlength=BINS),
        ]
    )


def calibration_error(sums: Float64) -> float:
    """Expected calibration error, of the probability of a seizure; NaN without samples.

    The mean over samples of how far, in a sample's bin, the mean probability is from the share of seizure samples.

    Args:
        sums: see `calibration_sums`.
    """
    samples, probability, seizure = sums
    total = float(samples.sum())
    return float(np.abs(probability - seizure).sum()) / total if total else float("nan")


def squared_error(probability: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8]) -> float:
    """Summed over samples; over the samples of all recordings, divided by their number, it is the Brier score (1950).

    Args:
        probability: of a seizure at every sample, float32 [sample].
        mask: 1 where a sample is in a seizure, else 0, uint8 [sample].
    """
    error = probability.astype(np.float64) - mask
    return float(np.square(error).sum())  # not a dot product, whose last bit depends on threads and on alignment
