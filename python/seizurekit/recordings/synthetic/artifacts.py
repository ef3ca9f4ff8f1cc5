"""Artifacts in every recording: blinks, muscle, electrode pops, movement, mains hum and drift."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seizurekit.recordings.synthetic.noise import band_noise, plateau, slow_curve
from seizurekit.recordings.synthetic.patient import Patient
from seizurekit.recordings.synthetic.scalp import ELECTRODES, TEMPORAL, TEN_TWENTY, field_around, field_over

Float32 = npt.NDArray[np.float32]

MAINS_HZ = 60.0


def add_artifacts(rng: np.random.Generator, patient: Patient, potentials: Float32, rate: int) -> None:
    """Adds all artifacts to scalp potentials in microvolts, float32 [electrode, sample], in place."""
    _add_blinks(rng, patient, potentials, rate)
    _add_muscle(rng, patient, potentials, rate)
    _add_pops(rng, potentials, rate)
    _add_movements(rng, potentials, rate)
    _add_hum(rng, potentials, rate)
    _add_drift(rng, potentials, rate)


def _draw_starts(rng: np.random.Generator, per_minute: float, samples: int, rate: int) -> npt.NDArray[np.int64]:
    count = int(rng.poisson(per_minute * samples / (60.0 * rate)))
    return np.sort(rng.integers(0, samples, count))


def _add_wave(potentials: Float32, field: Float32, start: int, wave: Float32) -> None:
    stop = min(start + len(wave), potentials.shape[1])
    for electrode in np.flatnonzero(field > 0.03):
        potentials[electrode, start:stop] += field[electrode] * wave[: stop - start]


def _add_blinks(rng: np.random.Generator, patient: Patient, potentials: Float32, rate: int) -> None:
    field = field_over(("FP1", "FP2"), 0.42)
    for start in _draw_starts(rng, patient.blinks, potentials.shape[1], rate):
        seconds = float(rng.uniform(0.22, 0.4))
        bump = np.float32(rng.uniform(50.0, 170.0)) * plateau(int(seconds * rate), rate, 0.4 * seconds, 0.6 * seconds)
        _add_wave(potentials, field, int(start), bump)


def _add_muscle(rng: np.random.Generator, patient: Patient, potentials: Float32, rate: int) -> None:
    for start in _draw_starts(rng, patient.muscle, potentials.shape[1], rate):
        seconds = float(rng.choice((rng.uniform(0.2, 1.5), rng.uniform(2.0, 12.0)), p=(0.65, 0.35)))
        envelope = np.float32(rng.uniform(8.0, 55.0)) * plateau(int(seconds * rate), rate, 0.1, 0.2)
        for side in TEMPORAL if rng.random() < 0.5 else (TEMPORAL[int(rng.integers(2))],):
            for electrode in side:
                field = field_around(electrode, 0.3)
                _add_wave(
                    potentials, field, int(start), envelope * band_noise(rng, 1, len(envelope), rate, 22.0, 100.0)[0]
                )


def _add_pops(rng: np.random.Generator, potentials: Float32, rate: int) -> None:
    for start in _draw_starts(rng, 0.35, potentials.shape[1], rate):
        size, decay = rng.uniform(60.0, 320.0) * rng.choice((-1.0, 1.0)), rng.uniform(0.1, 0.6)
        pop = size * np.exp(-np.arange(int(5.0 * decay * rate)) / (decay * rate))
        electrode = potentials[int(rng.integers(len(ELECTRODES)))]
        stop = min(int(start) + len(pop), len(electrode))
        electrode[start:stop] += pop[: stop - start].astype(np.float32)


def _add_movements(rng: np.random.Generator, potentials: Float32, rate: int) -> None:
    """Sudden slow swings and muscle activity over much of the head: a large line length without a rhythm."""
    for start in _draw_starts(rng, 0.3, potentials.shape[1], rate):
        samples = int(rng.uniform(1.5, 9.0) * rate)
        shape = plateau(samples, rate, 0.3, 0.5)
        for _ in range(3):
            field = field_around(str(rng.choice(TEN_TWENTY)), 0.7)
            swing = rng.uniform(25.0, 80.0) * band_noise(rng, 1, samples, rate, 0.5, 6.0)[0]
            tension = rng.uniform(5.0, 30.0) * band_noise(rng, 1, samples, rate, 20.0, 90.0)[0]
            _add_wave(potentials, field, int(start), shape * (swing + tension).astype(np.float32))


def _add_hum(rng: np.random.Generator, potentials: Float32, rate: int) -> None:
    size = float(np.exp(rng.normal(0.5, 0.9)))
    phase = np.arange(potentials.shape[1]) * (2.0 * np.pi * MAINS_HZ / rate)
    sine, cosine = np.sin(phase).astype(np.float32), np.cos(phase).astype(np.float32)
    for electrode in potentials:
        own, turn = size * float(np.exp(rng.normal(0.0, 0.7))), rng.uniform(0.0, 2.0 * np.pi)
        electrode += np.float32(own * np.cos(turn)) * sine
        electrode += np.float32(own * np.sin(turn)) * cosine


def _add_drift(rng: np.random.Generator, potentials: Float32, rate: int) -> None:
    samples = potentials.shape[1]
    for electrode in potentials:
        electrode += np.float32(rng.normal(0.0, 120.0)) + np.float32(18.0) * slow_curve(rng, samples, rate, 12.0)
