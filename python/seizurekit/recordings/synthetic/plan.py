"""What a synthetic corpus consists of: patients, sessions, recordings and their events, before any signal is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from seizurekit.recordings.synthetic.malformations import MALFORMATIONS
from seizurekit.recordings.synthetic.mimics import Mimic, draw_mimics
from seizurekit.recordings.synthetic.montage import Session, draw_session
from seizurekit.recordings.synthetic.patient import Patient, draw_patient
from seizurekit.recordings.synthetic.seizures import Seizure, draw_seizures

SPLITS = ("train", "dev", "eval")
_NAMES = 26**5
_PATIENTS_PER_MALFORMED = 3
_SEIZURE_FREE = 0.25


@dataclass(frozen=True)
class CorpusSpec:
    """What a corpus is made from; equal specifications give equal bytes.

    Attributes:
        seed: 0 or above.
        train_patients: patients of the split ``train``.
        dev_patients: patients of the split ``dev``.
        eval_patients: patients of the split ``eval``.
        minutes: mean minutes of EEG of a patient, over all of the patient's recordings.
        broken: unreadable files among the recordings of ``train``.
    """

    seed: int
    train_patients: int
    dev_patients: int
    eval_patients: int
    minutes: float
    broken: int

    def __post_init__(self) -> None:
        for field in ("seed", "train_patients", "dev_patients", "eval_patients", "broken"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field}: found {getattr(self, field)}, wanted 0 or above")
        if not 1.0 <= self.minutes <= 1440.0:
            raise ValueError(f"minutes: found {self.minutes}, wanted 1 to 1440")
        if self.broken and not self.train_patients:
            raise ValueError(f"broken: found {self.broken}, wanted 0 where train has no patients")

    def patients(self, split: str) -> int:
        """Patients of a split."""
        return {"train": self.train_patients, "dev": self.dev_patients, "eval": self.eval_patients}[split]


@dataclass(frozen=True)
class RecordingPlan:
    """One recording: everything but its samples.

    Attributes:
        patient: whose it is.
        session: how it was recorded.
        number: its place in the session, from 0.
        seconds: its length, and so its number of records.
        clock: second of the day at which it starts.
        seizures: in order of time.
        mimics: rhythms that are no seizure, in order of time.
        malformation: a key of `MALFORMATIONS`, or None for a well-formed file.
        entropy: what its random generator is seeded from.
    """

    patient: Patient
    session: Session
    number: int
    seconds: int
    clock: int
    seizures: tuple[Seizure, ...]
    mimics: tuple[Mimic, ...]
    malformation: str | None
    entropy: tuple[int, ...]

    @property
    def stem(self) -> str:
        """Name of its files without the ending, e.g. ``aaaaqzeo_s001_t000``."""
        return f"{self.patient.name}_{self.session.folder[:4]}_t{self.number:03d}"

    @property
    def path(self) -> PurePosixPath:
        """The EDF file's path in the corpus."""
        folder = PurePosixPath(self.patient.split, self.patient.name, self.session.folder, self.session.montage)
        return folder / f"{self.stem}.edf"


def plan_corpus(spec: CorpusSpec) -> tuple[RecordingPlan, ...]:
    """All recordings of a corpus; a patient's do not depend on how many other patients there are."""
    return tuple(
        recording
        for split in SPLITS
        for number in range(spec.patients(split))
        for recording in _plan_patient(spec, split, number)
    )


def _plan_patient(spec: CorpusSpec, split: str, number: int) -> Iterator[RecordingPlan]:
    entropy = (spec.seed, SPLITS.index(split), number)
    rng = np.random.default_rng(entropy)
    patient = draw_patient(rng, _name(spec.seed, split, number), split)
    lengths = _draw_lengths(rng, spec.minutes)
    session, in_session, year = draw_session(rng, 1, patient.first_year), 0, patient.first_year
    malformed = _malformation(split, number)
    for recording, seconds in enumerate(lengths):
        if in_session and rng.random() < 0.4:
            year += int(rng.integers(0, 3))
            session, in_session = draw_session(rng, int(session.folder[1:4]) + 1, year), 0
        own = (*entropy, recording)
        draws = np.random.default_rng((*own, 0))
        certain = number == 0 and recording == 0
        free = not certain and draws.random() < _SEIZURE_FREE
        seizures = () if free else draw_seizures(draws, patient, seconds, at_least_one=certain)
        yield RecordingPlan(
            patient=patient,
            session=session,
            number=in_session,
            seconds=seconds,
            clock=int(draws.integers(8 * 3600, 18 * 3600)),
            seizures=seizures,
            mimics=draw_mimics(draws, seconds, seizures),
            malformation=malformed if recording == 0 else None,
            entropy=(*own, 1),
        )
        in_session += 1


def _name(seed: int, split: str, number: int) -> str:
    # 4999 shares no factor with 26, so that different patients have different names.
    place = ((3 * number + SPLITS.index(split)) * 4999 + 104_729 * seed) % _NAMES
    letters = ""
    for _ in range(5):
        place, letter = divmod(place, 26)
        letters = chr(ord("a") + letter) + letters
    return "aaa" + letters


def _draw_lengths(rng: np.random.Generator, minutes: float) -> list[int]:
    """Lengths in whole seconds: one recording in ten minutes or so, and now and then one shorter than a minute."""
    total = 60.0 * minutes * float(rng.uniform(0.55, 1.45))
    count = max(1, round(total / float(rng.uniform(300.0, 900.0))))
    shares = rng.uniform(0.6, 1.4, count)
    lengths = [max(20, round(seconds)) for seconds in total * shares / shares.sum()]
    if rng.random() < 0.12:
        lengths.append(int(rng.integers(20, 58)))
    return lengths


def _malformation(split: str, number: int) -> str | None:
    if number % _PATIENTS_PER_MALFORMED != 1:
        return None
    kinds = tuple(MALFORMATIONS)
    return kinds[(number // _PATIENTS_PER_MALFORMED + 3 * SPLITS.index(split)) % len(kinds)]
