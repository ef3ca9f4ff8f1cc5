"""The preprocessing chain."""

import numpy as np
from numpy.typing import NDArray

from .edf import File

class ChainPlan:
    """The steps of the chain; csrc/signal/chain.hpp and resample.hpp describe the members."""

    def __init__(
        self,
        *,
        scales: list[float],
        electrode_of: list[int],
        weights: list[list[float]],
        factors: tuple[int, int],
        phases: int,
        table: NDArray[np.float32],
        sections: list[list[float]],
        clip: float,
    ) -> None: ...
    def output_samples(self, samples: int) -> int: ...

def run_array(
    plan: ChainPlan, rows: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Signal [channel, sample], and mean and standard deviation of each channel, from rows [electrode, sample]."""

def run_edf(
    plan: ChainPlan, file: File, channels: list[int]
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """As `run_array`, from channels of a file."""

def quantize(rows: NDArray[np.float32], inverse_step: float) -> NDArray[np.int16]:
    """rows * inverse_step as int16, rounded to nearest, ties to even, saturated."""
