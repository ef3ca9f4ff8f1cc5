"""Spherical splines, against MNE's."""

from __future__ import annotations

import numpy as np
import pytest

from seizurekit.recordings.channels import CANONICAL_CHANNELS
from seizurekit.signal.interpolation import positions, spline_weights


@pytest.mark.parametrize("missing", [("Fz",), ("Pz",), ("Fz", "Pz")])
def test_the_weights_are_those_of_mne(missing: tuple[str, ...]) -> None:
    from mne.channels.interpolation import _make_interpolation_matrix

    present = tuple(name for name in CANONICAL_CHANNELS if name not in missing)
    wanted = _make_interpolation_matrix(positions(present), positions(missing))
    np.testing.assert_allclose(spline_weights(missing, present), wanted, atol=1e-6)


def test_a_constant_potential_is_interpolated_to_itself() -> None:
    present = tuple(name for name in CANONICAL_CHANNELS if name not in {"Fz", "Pz"})
    np.testing.assert_allclose(spline_weights(("Fz", "Pz"), present).sum(axis=1), 1.0, atol=1e-6)


def test_the_nearest_electrodes_weigh_most() -> None:
    present = tuple(name for name in CANONICAL_CHANNELS if name != "Fz")
    (weights,) = spline_weights(("Fz",), present)
    assert {present[i] for i in np.argsort(weights)[-3:]} == {"F3", "F4", "Cz"}


def test_electrodes_lie_on_the_unit_sphere_left_and_right_mirrored() -> None:
    np.testing.assert_allclose(np.linalg.norm(positions(CANONICAL_CHANNELS), axis=1), 1.0)
    for left, right in [
        ("Fp1", "Fp2"),
        ("F7", "F8"),
        ("T3", "T4"),
        ("T5", "T6"),
        ("O1", "O2"),
        ("F3", "F4"),
        ("P3", "P4"),
    ]:
        np.testing.assert_allclose(positions([left]) * [-1, 1, 1], positions([right]), atol=1e-12)
