"""Spherical splines compared with MNE."""

from __future__ import annotations

import numpy as np
import pytest

from seizurekit.recordings.channels import CANONICAL_CHANNELS
from seizurekit.signal.interpolation import electrode_positions, spline_weights


@pytest.mark.parametrize("missing", [("Fz",), ("Pz",), ("Fz", "Pz")])
def test_the_weights_equal_mnes(missing: tuple[str, ...]) -> None:
    from mne.channels.interpolation import _make_interpolation_matrix

    present = tuple(name for name in CANONICAL_CHANNELS if name not in missing)
    expected = _make_interpolation_matrix(electrode_positions(present), electrode_positions(missing))
    np.testing.assert_allclose(spline_weights(missing, present), expected, atol=1e-6)


def test_a_constant_potential_is_interpolated_to_itself() -> None:
    present = tuple(name for name in CANONICAL_CHANNELS if name not in {"Fz", "Pz"})
    np.testing.assert_allclose(spline_weights(("Fz", "Pz"), present).sum(axis=1), 1.0, atol=1e-6)


def test_the_nearest_electrodes_have_the_largest_weights() -> None:
    present = tuple(name for name in CANONICAL_CHANNELS if name != "Fz")
    (weights,) = spline_weights(("Fz",), present)
    assert {present[i] for i in np.argsort(weights)[-3:]} == {"F3", "F4", "Cz"}


def test_electrodes_are_on_the_unit_sphere_and_symmetric() -> None:
    np.testing.assert_allclose(np.linalg.norm(electrode_positions(CANONICAL_CHANNELS), axis=1), 1.0)
    for left, right in [
        ("Fp1", "Fp2"),
        ("F7", "F8"),
        ("T3", "T4"),
        ("T5", "T6"),
        ("O1", "O2"),
        ("F3", "F4"),
        ("P3", "P4"),
    ]:
        np.testing.assert_allclose(electrode_positions([left]) * [-1, 1, 1], electrode_positions([right]), atol=1e-12)
