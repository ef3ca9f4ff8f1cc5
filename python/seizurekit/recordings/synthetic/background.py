"""EEG of an awake person without seizures: a 1/f background and an intermittent alpha rhythm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seizurekit.recordings.synthetic.noise import colored_noise, on_and_off, slow_curve
from seizurekit.recordings.synthetic.patient import Patient
from seizurekit.recordings.synthetic.scalp import ELECTRODES, cortical_field, field_around

Float32 = npt.NDArray[np.float32]

_SOURCES = 16
_BLOCK = 8192


def background(rng: np.random.Generator, patient: Patient, samples: int, rate: int, ictal: Float32) -> Float32:
    """Scalp potentials without seizures and artifacts.

    Args:
        rng: random generator.
        patient: gives amplitude and slope of the background, and the alpha rhythm.
        samples: number of samples.
        rate: sampling rate in Hz.
        ictal: share of the normal rhythms that seizures and their aftermath suppress, 0 to 1, float32 [sample].

    Returns:
        Potentials in microvolts, float32 [electrode, sample], electrodes in the order of `ELECTRODES`.
    """
    sources = colored_noise(rng, _SOURCES, samples, rate, patient.slope)
    for source in sources:
        source *= patient.background_uv * (1.0 + 0.25 * slow_curve(rng, samples, rate, 6.0))
    potentials = _mix(cortical_field(_SOURCES), sources)
    _add_alpha(rng, patient, potentials, rate, 1.0 - ictal)
    _add_sensor_noise(rng, potentials)
    return potentials


def _mix(matrix: Float32, sources: Float32) -> Float32:
    # Not @: the order in which BLAS sums may depend on the number of threads, and so would the bytes.
    mixed = np.empty((len(matrix), sources.shape[1]), np.float32)
    for start in range(0, sources.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        np.einsum("es,st->et", matrix, sources[:, block], out=mixed[:, block], optimize=False)
    return mixed


def _add_alpha(rng: np.random.Generator, patient: Patient, potentials: Float32, rate: int, gain: Float32) -> None:
    samples = potentials.shape[1]
    presence = on_and_off(rng, samples, rate, patient.alpha_on, patient.alpha_off) * gain
    for side in ("O1", "O2"):
        wander = np.cumsum(slow_curve(rng, samples, rate, 0.8), dtype=np.float64) * (2.0 * np.pi * 0.45 / rate)
        phase = np.arange(samples) * (2.0 * np.pi * patient.alpha_hz / rate) + wander
        waxing = np.abs(1.0 + 0.5 * slow_curve(rng, samples, rate, 0.7))
        rhythm = (patient.alpha_uv * presence * waxing * np.sin(phase)).astype(np.float32)
        for electrode, share in enumerate(field_around(side, 0.55)):
            if share > 0.05:
                potentials[electrode] += share * rhythm


def _add_sensor_noise(rng: np.random.Generator, potentials: Float32) -> None:
    for electrode in range(len(ELECTRODES)):
        potentials[electrode] += 5.0 * rng.random(potentials.shape[1], dtype=np.float32) - 2.5
