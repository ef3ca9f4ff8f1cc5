import numpy as np
from numpy.typing import NDArray

from .edf import File

class ChainPlan:
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
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]: ...
def run_edf(
    plan: ChainPlan, file: File, channels: list[int]
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]: ...
def quantize(rows: NDArray[np.float32], inverse_step: float) -> NDArray[np.int16]: ...
