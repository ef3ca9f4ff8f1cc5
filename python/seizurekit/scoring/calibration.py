"""Brier score and expected calibration error of samples.

Both are computed from exact sums per recording, not from a histogram.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

BINS = 15
"""Number of bins of equal width, as in Guo et al. (2017)."""


def calibration_sums(probability: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8]) -> Float64:
    """Sums over one recording for `calibration_error`. Add the sums of several recordings.

    Args:
        probability: seizure probability of each sample, float32 [sample].
        mask: 1 for samples in a seizure, else 0, uint8 [sample].

    Returns:
        float64 [3, bin]: number of samples, sum of their probabilities, number of seizure samples. Bin m holds
        probabilities above m / 15 and up to (m + 1) / 15; the first bin also holds 0. All NaN if a probability is NaN.
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
    """Expected calibration error of the seizure probability; NaN without samples.

    It is the mean over samples of the distance between mean probability and share of seizure samples in their bin.

    Args:
        sums: sums over all recordings, see `calibration_sums`.
    """
    samples, probability, seizure = sums
    total = float(samples.sum())
    return float(np.abs(probability - seizure).sum()) / total if total else float("nan")


def squared_error(probability: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8]) -> float:
    """Sum of the squared errors over samples. Divided by the number of samples, it is the Brier score (1950).

    Args:
        probability: seizure probability of each sample, float32 [sample].
        mask: 1 for samples in a seizure, else 0, uint8 [sample].
    """
    error = probability.astype(np.float64) - mask
    return float(np.square(error).sum())  # the last bit of a dot product depends on threads and alignment
