"""Electrode positions on the head, and the field of a source under the skull."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

# Unit sphere, x to the right ear, y to the nose, z up: (angle from the vertex, angle from the right ear), degrees.
_ANGLES = {
    "FP1": (92, 108), "FP2": (92, 72), "F7": (92, 144), "F8": (92, 36), "F3": (60, 129), "F4": (60, 51),
    "FZ": (46, 90), "T3": (92, 180), "T4": (92, 0), "C3": (46, 180), "C4": (46, 0), "CZ": (0, 0),
    "T5": (92, 216), "T6": (92, -36), "P3": (60, 231), "P4": (60, -51), "PZ": (46, -90), "O1": (92, 252),
    "O2": (92, -72), "OZ": (92, -90), "A1": (118, 190), "A2": (118, -10), "T1": (108, 158), "T2": (108, 22),
}  # fmt: skip

ELECTRODES = tuple(_ANGLES)
TEN_TWENTY = ELECTRODES[:19]
FRONTAL = ("FP1", "FP2", "F7", "F8", "F3", "F4", "FZ")
TEMPORAL = ("F7", "T3", "T5", "T1", "A1"), ("F8", "T4", "T6", "T2", "A2")
OCCIPITAL = ("O1", "O2", "OZ", "T5", "T6", "P3", "P4", "PZ")


def _on_sphere(inclination: float, azimuth: float) -> tuple[float, float, float]:
    polar, around = math.radians(inclination), math.radians(azimuth)
    return math.sin(polar) * math.cos(around), math.sin(polar) * math.sin(around), math.cos(polar)


@cache
def positions() -> npt.NDArray[np.float64]:
    """Positions of `ELECTRODES` on the unit sphere, float64 [electrode, xyz]."""
    return np.array([_on_sphere(*angles) for angles in _ANGLES.values()])


def distances(electrode: str) -> Float32:
    """Straight-line distances of all electrodes from one of them in head radii, float32 [electrode]."""
    position = positions()[ELECTRODES.index(electrode)]
    distance: Float32 = np.linalg.norm(positions() - position, axis=1).astype(np.float32)
    return distance


def field_around(electrode: str, width: float) -> Float32:
    """Potentials of a source under an electrode: a Gaussian with maximum 1 at the electrode, float32 [electrode].

    Args:
        electrode: one of `ELECTRODES`.
        width: standard deviation in head radii; volume conduction alone gives about 0.5.
    """
    field: Float32 = np.exp(-0.5 * (distances(electrode) / width) ** 2).astype(np.float32)
    return field


def field_over(electrodes: Iterable[str], width: float) -> Float32:
    """Maximum of the fields around several electrodes, float32 [electrode]."""
    field: Float32 = np.max([field_around(electrode, width) for electrode in electrodes], axis=0)
    return field


@cache
def cortical_field(sources: int) -> Float32:
    """Mixing matrix of sources spread evenly under the scalp; rows have unit norm, float32 [electrode, source]."""
    order = np.arange(sources) + 0.5
    height = 1.0 - 1.3 * order / sources
    around = np.pi * (1.0 + np.sqrt(5.0)) * order
    radius = np.sqrt(1.0 - height**2)
    source_positions = np.stack([radius * np.cos(around), radius * np.sin(around), height], axis=1)
    distance = np.linalg.norm(positions()[:, None, :] - source_positions[None, :, :], axis=2)
    gains = np.exp(-0.5 * (distance / 0.55) ** 2)
    mixing: Float32 = (gains / np.linalg.norm(gains, axis=1, keepdims=True)).astype(np.float32)
    return mixing
