"""Rhythms that are not seizures: a detector that looks for rhythms alone gives a false alarm on each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seizurekit.recordings.synthetic.noise import band_noise, plateau, slow_curve
from seizurekit.recordings.synthetic.scalp import ELECTRODES, FRONTAL, OCCIPITAL, TEMPORAL, TEN_TWENTY, field_over
from seizurekit.recordings.synthetic.seizures import Seizure

Float32 = npt.NDArray[np.float32]

_CLEAR_OF_SEIZURES = 6.0


@dataclass(frozen=True)
class Mimic:
    """A rhythm that is not a seizure.

    Attributes:
        kind: key of `KINDS`.
        start: seconds from the start of the recording.
        stop: seconds from the start of the recording.
        strength: amplitude in multiples of the background's RMS.
    """

    kind: str
    start: float
    stop: float
    strength: float


def draw_mimics(rng: np.random.Generator, seconds: int, seizures: tuple[Seizure, ...]) -> tuple[Mimic, ...]:
    """Draws the mimics of one recording, sorted by time, about one per 50 s, none in or near a seizure."""
    mimics: list[Mimic] = []
    now = rng.exponential(20.0)
    while now < seconds - 10.0:
        kind = str(rng.choice(tuple(KINDS)))
        length = float(rng.uniform(*KINDS[kind].seconds))
        mimic = Mimic(kind, round(now, 4), round(min(now + length, float(seconds)), 4), float(rng.uniform(1.2, 3.2)))
        if not any(_is_near(mimic, seizure) for seizure in seizures):
            mimics.append(mimic)
        now += length + 4.0 + rng.exponential(25.0)
    return tuple(mimics)


def _is_near(mimic: Mimic, seizure: Seizure) -> bool:
    return mimic.start < seizure.stop + _CLEAR_OF_SEIZURES and seizure.start < mimic.stop + _CLEAR_OF_SEIZURES


def add_mimic(rng: np.random.Generator, mimic: Mimic, background_uv: float, potentials: Float32, rate: int) -> None:
    """Adds a mimic to scalp potentials in microvolts, float32 [electrode, sample], in place."""
    part = potentials[:, int(mimic.start * rate) : int(mimic.stop * rate)]
    KINDS[mimic.kind].add(rng, part, np.float32(mimic.strength * background_uv), rate)


def _steady_phase(rng: np.random.Generator, hertz: float, samples: int, rate: int) -> npt.NDArray[np.float64]:
    frequency = hertz * (1.0 + 0.03 * slow_curve(rng, samples, rate, 1.0))
    return np.cumsum(frequency, dtype=np.float64) / rate + float(rng.random())


def _add(part: Float32, field: Float32, wave: Float32) -> None:
    for electrode in np.flatnonzero(field > 0.03):
        part[electrode] += field[electrode] * wave


def _chewing(rng: np.random.Generator, part: Float32, size: np.float32, rate: int) -> None:
    samples = part.shape[1]
    phase = _steady_phase(rng, rng.uniform(1.0, 2.2), samples, rate)
    bites = (np.maximum(np.cos(2.0 * np.pi * phase), 0.0) ** 2).astype(np.float32) * plateau(samples, rate, 0.5, 0.5)
    swing = field_over(("F7", "F8", "T3", "T4"), 0.6)
    _add(part, swing, 0.5 * size * bites * np.cos(4.0 * np.pi * phase).astype(np.float32))
    for side in TEMPORAL:
        for electrode in side:
            muscle = band_noise(rng, 1, samples, rate, 22.0, 100.0)[0]
            part[ELECTRODES.index(electrode)] += 1.6 * size * bites * muscle


def _tapped_electrode(rng: np.random.Generator, part: Float32, size: np.float32, rate: int) -> None:
    """A loose electrode that pops in rhythm, sharp like a spike, in one channel only."""
    samples = part.shape[1]
    phase = _steady_phase(rng, rng.uniform(1.5, 7.0), samples, rate) % 1.0
    pops = np.exp(-6.0 * phase) - np.exp(-6.0 * phase).mean()
    growing = np.linspace(rng.uniform(0.4, 1.0), 1.0, samples)
    wave = 2.5 * size * (pops * growing).astype(np.float32) * plateau(samples, rate, 0.3, 0.3)
    part[ELECTRODES.index(str(rng.choice(TEN_TWENTY)))] += wave


def _tremor(rng: np.random.Generator, part: Float32, size: np.float32, rate: int) -> None:
    """The head trembling on the pillow: a nearly pure sine of constant frequency."""
    samples = part.shape[1]
    phase = 2.0 * np.pi * _steady_phase(rng, rng.uniform(4.0, 6.5), samples, rate)
    wave = (np.sin(phase) + 0.15 * np.sin(2.0 * phase)).astype(np.float32) * plateau(samples, rate, 1.0, 1.0)
    _add(part, field_over(OCCIPITAL, 0.35), size * wave)


def _pulse(rng: np.random.Generator, part: Float32, size: np.float32, rate: int) -> None:
    """An electrode over an artery: a slow bump with every heartbeat, in one channel only."""
    samples = part.shape[1]
    phase = _steady_phase(rng, rng.uniform(0.9, 1.6), samples, rate) % 1.0
    bumps = np.exp(2.5 * (np.cos(2.0 * np.pi * phase) - 1.0))
    wave = (bumps - bumps.mean()).astype(np.float32) * plateau(samples, rate, 1.0, 1.0)
    part[ELECTRODES.index(str(rng.choice(TEN_TWENTY)))] += 2.0 * size * wave


def _frontal_delta(rng: np.random.Generator, part: Float32, size: np.float32, rate: int) -> None:
    """Frontal intermittent rhythmic delta activity: smooth trains of a few seconds that do not evolve."""
    field, hertz, at = field_over(FRONTAL, 0.5), rng.uniform(1.8, 2.8), 0
    while at < part.shape[1] - rate:
        samples = min(int(rng.uniform(2.0, 5.0) * rate), part.shape[1] - at)
        phase = 2.0 * np.pi * _steady_phase(rng, hertz, samples, rate)
        wave = np.sin(phase).astype(np.float32) * plateau(samples, rate, 0.5, 0.5)
        _add(part[:, at : at + samples], field, size * wave)
        at += samples + int(rng.uniform(1.5, 4.0) * rate)


def _strong_alpha(rng: np.random.Generator, part: Float32, size: np.float32, rate: int) -> None:
    """Eyes closed: strong occipital alpha that waxes and wanes."""
    samples = part.shape[1]
    phase = 2.0 * np.pi * _steady_phase(rng, rng.uniform(8.5, 11.5), samples, rate)
    waxing = np.abs(1.0 + 0.4 * slow_curve(rng, samples, rate, 0.8)) * plateau(samples, rate, 0.7, 0.7)
    _add(part, field_over(("O1", "O2"), 0.6), size * (np.sin(phase).astype(np.float32) * waxing))


@dataclass(frozen=True)
class Kind:
    """Function that adds a mimic, and its shortest and longest duration in seconds."""

    add: Callable[[np.random.Generator, Float32, np.float32, int], None]
    seconds: tuple[float, float]


# Keys are written as annotations into the EDF files.
KINDS = {
    "chewing": Kind(_chewing, (5.0, 30.0)),
    "tapped electrode": Kind(_tapped_electrode, (6.0, 25.0)),
    "tremor": Kind(_tremor, (5.0, 35.0)),
    "pulse": Kind(_pulse, (20.0, 90.0)),
    "frontal delta": Kind(_frontal_delta, (10.0, 40.0)),
    "alpha": Kind(_strong_alpha, (6.0, 30.0)),
}
