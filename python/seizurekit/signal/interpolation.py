"""Interpolates missing electrodes by spherical splines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

STIFFNESS = 4
TERMS = 50
REGULARIZATION = 1e-5

# 10-20 system on a sphere (Jasper 1958; Oostenveld and Praamstra 2001), in degrees: colatitude from the vertex, azimuth
# from the right ear towards the nose.
_ANGLES = {
    "Fp1": (90, 108), "Fp2": (90, 72), "F7": (90, 144), "F8": (90, 36), "T3": (90, 180), "T4": (90, 0),
    "T5": (90, 216), "T6": (90, 324), "O1": (90, 252), "O2": (90, 288), "Fz": (45, 90), "Cz": (0, 0), "Pz": (45, 270),
    "C3": (45, 180), "C4": (45, 0), "F3": (60, 129), "F4": (60, 51), "P3": (60, 231), "P4": (60, 309),
}  # fmt: skip


def electrode_positions(electrodes: Sequence[str]) -> NDArray[np.float64]:
    """Positions on the unit sphere, float64 [electrode, xyz]: x to the right ear, y to the nose, z to the vertex."""
    colatitude, azimuth = np.radians([_ANGLES[name] for name in electrodes]).T
    return np.stack(
        [np.sin(colatitude) * np.cos(azimuth), np.sin(colatitude) * np.sin(azimuth), np.cos(colatitude)], axis=1
    )


@lru_cache(maxsize=16)
def spline_weights(missing: tuple[str, ...], present: tuple[str, ...]) -> NDArray[np.float64]:
    """Weights that give potentials at `missing` electrodes from those at `present` ones, float64 [missing, present].

    Spherical splines of order 4 with 50 Legendre terms and regularization 1e-5, as in `mne.io.Raw.interpolate_bads`.

    Source: Perrin, Pernier, Bertrand, Echallier 1989, Electroenceph. clin. Neurophysiol. 72, equations 1 to 3.
    """
    known, unknown = electrode_positions(present), electrode_positions(missing)
    size = len(present)
    system = np.ones((size + 1, size + 1))
    system[:size, :size] = _spline(known @ known.T) + REGULARIZATION * np.eye(size)
    system[size, size] = 0.0
    to_unknown = np.concatenate([_spline(unknown @ known.T), np.ones((len(missing), 1))], axis=1)
    return np.asarray((to_unknown @ np.linalg.pinv(system))[:, :size])


def _spline(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    n = np.arange(1, TERMS + 1)
    factors = (2 * n + 1) / (n**STIFFNESS * (n + 1.0) ** STIFFNESS * 4 * np.pi)
    return np.asarray(np.polynomial.legendre.legval(cosines, [0.0, *factors]), np.float64)
