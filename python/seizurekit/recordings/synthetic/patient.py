"""Properties that all recordings of a synthetic patient share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FOCI = ("T3", "T4", "F7", "F8", "T5", "T6", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "CZ")
_FOCUS_SHARES = (0.10, 0.10, 0.09, 0.09, 0.07, 0.07, 0.07, 0.07, 0.06, 0.06, 0.05, 0.05, 0.04, 0.04, 0.04)


@dataclass(frozen=True)
class Patient:
    """A synthetic patient.

    Attributes:
        name: eight lower-case letters, as in TUSZ.
        split: ``train``, ``dev`` or ``eval``.
        first_year: year of the first session.
        background_uv: RMS of the 1/f background in microvolts.
        slope: exponent of the background's power spectrum.
        alpha_hz: frequency of the posterior rhythm.
        alpha_uv: amplitude of the posterior rhythm in microvolts.
        alpha_on: mean duration of the rhythm in seconds.
        alpha_off: mean duration of the pauses in seconds.
        focus: electrode above the usual onset of focal seizures.
        seizure_labels: TUSZ labels of the patient's seizures.
        blinks: eye blinks per minute.
        muscle: muscle bursts per minute.
    """

    name: str
    split: str
    first_year: int
    background_uv: float
    slope: float
    alpha_hz: float
    alpha_uv: float
    alpha_on: float
    alpha_off: float
    focus: str
    seizure_labels: tuple[str, ...]
    blinks: float
    muscle: float


def draw_patient(rng: np.random.Generator, name: str, split: str) -> Patient:
    """Draws the properties of a patient."""
    background_uv = float(rng.uniform(11.0, 20.0))
    generalized = rng.random() < 0.25
    labels = ("gnsz", "absz", "tcsz") if generalized else ("fnsz", "cpsz", "tcsz")
    return Patient(
        name=name,
        split=split,
        first_year=int(rng.integers(2002, 2016)),
        background_uv=background_uv,
        slope=float(rng.uniform(1.3, 1.9)),
        alpha_hz=float(rng.uniform(8.3, 11.5)),
        alpha_uv=background_uv * float(rng.uniform(0.7, 1.9)),
        alpha_on=float(rng.uniform(3.0, 12.0)),
        alpha_off=float(rng.uniform(4.0, 25.0)),
        focus=str(rng.choice(_FOCI, p=_FOCUS_SHARES)),
        seizure_labels=labels,
        blinks=float(rng.uniform(2.0, 18.0)),
        muscle=float(rng.uniform(0.5, 5.0)),
    )
