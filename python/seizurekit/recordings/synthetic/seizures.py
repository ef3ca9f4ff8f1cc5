"""Seizures: their times, and a rhythm that evolves in frequency, amplitude and location."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seizurekit.recordings.synthetic.noise import band_noise, plateau, slow_curve
from seizurekit.recordings.synthetic.patient import Patient
from seizurekit.recordings.synthetic.scalp import ELECTRODES, FRONTAL, TEN_TWENTY, distances, field_around, field_over

Float32 = npt.NDArray[np.float32]

GENERALIZED = frozenset({"gnsz", "absz", "tcsz"})
_FOCI = tuple(name for name in TEN_TWENTY if name not in ("FZ", "PZ"))  # not part of the TCP montages
_PHASES = 1024
_QUIET_START = 12.0
_QUIET_END = 6.0


@dataclass(frozen=True)
class Seizure:
    """One seizure of a synthetic recording.

    Attributes:
        start: seconds from the start of the recording.
        stop: seconds from the start of the recording.
        label: TUSZ label of the type, such as ``fnsz``.
        focus: electrode above the onset; a generalized seizure is strongest over the forehead.
        strength: RMS of the fully developed rhythm in multiples of the background's RMS.
        first_hz: frequency at the onset.
        last_hz: frequency at the end.
        sharpness: 0 gives a sine; larger values give narrower spikes.
        spread: seconds that the rhythm takes to spread by one head radius.
        reach: largest distance from the focus that it reaches, in head radii.
        aftermath: seconds of slow waves after the end.
    """

    start: float
    stop: float
    label: str
    focus: str
    strength: float
    first_hz: float
    last_hz: float
    sharpness: float
    spread: float
    reach: float
    aftermath: float

    @property
    def generalized(self) -> bool:
        """True if it starts everywhere at once."""
        return self.label in GENERALIZED

    def onsets(self) -> npt.NDArray[np.float64]:
        """Onset at each electrode in seconds of the recording, NaN if not reached, float64 [electrode]."""
        distance = distances(self.focus).astype(np.float64)
        if self.generalized:
            return np.full(len(distance), self.start)
        onsets = self.start + self.spread * distance
        return np.where((distance <= self.reach) & (onsets < self.stop - 2.0), onsets, np.nan)


def draw_seizures(rng: np.random.Generator, patient: Patient, seconds: int, at_least_one: bool) -> tuple[Seizure, ...]:
    """Draws the seizures of one recording, sorted by time, at least 35 s apart.

    Args:
        rng: random generator.
        patient: gives the seizure types and the focus.
        seconds: duration of the recording.
        at_least_one: make the first seizure early and short enough for a recording of 30 s.
    """
    seizures: list[Seizure] = []
    now = _QUIET_START + rng.exponential(60.0)
    while True:
        length = _draw_length(rng)
        if at_least_one and not seizures:
            length = min(length, 0.4 * seconds)
            now = min(now, 0.4 * seconds)
        if now + length > seconds - _QUIET_END:
            return tuple(seizures)
        seizures.append(_draw_seizure(rng, patient, round(now, 4), round(now + length, 4)))
        now += length + 35.0 + rng.exponential(60.0)


def _draw_length(rng: np.random.Generator) -> float:
    kind = rng.random()
    if kind < 0.22:
        return float(rng.uniform(9.0, 16.0))
    if kind < 0.82:
        return float(rng.uniform(15.0, 55.0))
    return float(rng.uniform(60.0, 140.0))


def _draw_seizure(rng: np.random.Generator, patient: Patient, start: float, stop: float) -> Seizure:
    label = patient.seizure_labels[int(rng.choice(3, p=(0.55, 0.3, 0.15)))]
    if label == "absz" and stop - start > 30.0:
        label = "gnsz"
    subtle = rng.random() < 0.15
    strength = rng.uniform(1.3, 1.7) if subtle else rng.uniform(2.0, 4.0)
    first_hz, last_hz = {
        "absz": (rng.uniform(3.0, 4.0), rng.uniform(2.5, 3.0)),
        "gnsz": (rng.uniform(3.5, 6.0), rng.uniform(2.0, 3.0)),
        "tcsz": (rng.uniform(9.0, 12.0), rng.uniform(2.0, 3.0)),
    }.get(label, (rng.uniform(5.0, 10.0), rng.uniform(2.0, 3.5)))
    return Seizure(
        start=start,
        stop=stop,
        label=label,
        focus=_draw_focus(rng, patient.focus),
        strength=float(strength),
        first_hz=float(first_hz),
        last_hz=float(last_hz),
        sharpness=float(rng.uniform(3.0, 9.0)),
        spread=float(rng.uniform(1.5, 6.0)),
        reach=float(rng.uniform(1.3, 2.1)),
        aftermath=float(rng.uniform(8.0, 35.0)),
    )


def _draw_focus(rng: np.random.Generator, usual: str) -> str:
    """The patient's usual focus or an electrode near it."""
    if rng.random() < 0.4:
        return usual
    near = [name for name in _FOCI if distances(usual)[ELECTRODES.index(name)] < 1.3]
    return str(rng.choice(near))


def suppression(seizures: tuple[Seizure, ...], samples: int, rate: int) -> Float32:
    """Suppression of normal rhythms during and after seizures, 0 to 1, float32 [sample]."""
    level = np.zeros(samples, np.float32)
    for seizure in seizures:
        first, last = int(seizure.start * rate), min(int((seizure.stop + seizure.aftermath) * rate), samples)
        level[first:last] = np.maximum(level[first:last], 0.85 * plateau(last - first, rate, 2.0, 6.0))
    return level


def add_seizure(
    rng: np.random.Generator, seizure: Seizure, background_uv: float, potentials: Float32, rate: int
) -> None:
    """Adds a seizure, its muscle activity and the slow waves after it to scalp potentials.

    Args:
        rng: random generator.
        seizure: seizure to add.
        background_uv: RMS of the background in microvolts.
        potentials: potentials in microvolts, float32 [electrode, sample], changed in place.
        rate: sampling rate in Hz.
    """
    first, last = int(seizure.start * rate), int(seizure.stop * rate)
    part = potentials[:, first:last]
    amplitude = seizure.strength * background_uv
    phase, growth = _phase(rng, seizure, part.shape[1], rate), _growth(rng, seizure, part.shape[1], rate)
    cycle = _cycle(seizure.sharpness)
    gains = _gains(seizure)
    for electrode, onset in enumerate(seizure.onsets()):
        if np.isnan(onset) or gains[electrode] < 0.03:
            continue
        lag = 0.0 if seizure.generalized else 0.12 * float(distances(seizure.focus)[electrode])
        since_onset = (np.arange(part.shape[1], dtype=np.float32) / rate) - np.float32(onset - seizure.start)
        ramp = np.clip(since_onset / 1.5 + (1.0 if onset == seizure.start else 0.0), 0.0, 1.0)
        waves = cycle[((phase - lag) * _PHASES).astype(np.int64) % _PHASES]
        part[electrode] += np.float32(amplitude * gains[electrode]) * ramp * growth * waves
    if seizure.label == "tcsz":
        _add_convulsion(rng, part, phase, background_uv, rate)
    _add_aftermath(rng, seizure, amplitude, potentials, rate)


def _phase(rng: np.random.Generator, seizure: Seizure, samples: int, rate: int) -> npt.NDArray[np.float64]:
    """Cycles since the onset; the frequency falls geometrically with small irregularities."""
    course = np.linspace(0.0, 1.0, samples) ** 0.8
    frequency = seizure.first_hz * (seizure.last_hz / seizure.first_hz) ** course
    frequency *= 1.0 + 0.05 * slow_curve(rng, samples, rate, 0.5)
    return np.cumsum(frequency) / rate


def _growth(rng: np.random.Generator, seizure: Seizure, samples: int, rate: int) -> Float32:
    """Relative amplitude over time: absences develop at once, other seizures over a third of their duration."""
    duration = samples / rate
    at = np.linspace(0.0, 1.0, samples, dtype=np.float32)
    developed = 0.08 if seizure.label == "absz" else 0.35
    growth = 0.35 + 0.65 * np.clip(at / developed, 0.0, 1.0)
    uneven = np.clip(1.0 + 0.18 * slow_curve(rng, samples, rate, 0.6), 0.3, 1.8)
    amplitude: Float32 = growth * uneven * plateau(samples, rate, 0.5, min(1.0, 0.1 * duration))
    return amplitude


def _cycle(sharpness: float) -> Float32:
    """One cycle of a spike and a slow wave with mean 0 and RMS 1, float32 [phase]."""
    angle = np.arange(_PHASES) * (2.0 * np.pi / _PHASES)
    spike = np.exp(sharpness * (np.cos(angle) - 1.0))
    wave = spike - 0.35 * np.cos(angle - 2.3)
    wave -= wave.mean()
    cycle: Float32 = (-wave / wave.std()).astype(np.float32)
    return cycle


def _gains(seizure: Seizure) -> Float32:
    if seizure.generalized:
        return 0.45 + 0.55 * field_over(FRONTAL, 0.6)
    return 0.4 * field_around(seizure.focus, 1.2) + 0.6 * field_around(seizure.focus, 0.65)


def _add_convulsion(
    rng: np.random.Generator, part: Float32, phase: npt.NDArray[np.float64], background_uv: float, rate: int
) -> None:
    """Muscle activity of a tonic-clonic seizure in all electrodes: first steady, then in jerks with the rhythm."""
    steady = np.linspace(1.0, 0.0, part.shape[1], dtype=np.float32)
    jerks = np.maximum(np.cos(2.0 * np.pi * phase), 0.0).astype(np.float32) ** 2
    amplitude = np.float32(background_uv * rng.uniform(0.2, 0.6))
    for electrode in part:
        electrode += (
            amplitude * (steady + (1.0 - steady) * jerks) * band_noise(rng, 1, len(electrode), rate, 25.0, 95.0)[0]
        )


def _add_aftermath(
    rng: np.random.Generator, seizure: Seizure, amplitude: float, potentials: Float32, rate: int
) -> None:
    first = int(seizure.stop * rate)
    part = potentials[:, first : first + int(seizure.aftermath * rate)]
    if part.shape[1] < rate:
        return
    slow = band_noise(rng, 1, part.shape[1], rate, 0.7, 2.2)[0] * np.linspace(1.0, 0.0, part.shape[1], dtype=np.float32)
    field = _gains(seizure)
    for electrode in range(len(part)):
        part[electrode] += np.float32(0.6 * amplitude * field[electrode]) * slow
