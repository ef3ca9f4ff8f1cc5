"""Plan of a synthetic corpus: patients, sessions, recordings and events, drawn before any signal is generated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from seizurekit.recordings.synthetic.malformations import MALFORMATIONS
from seizurekit.recordings.synthetic.mimics import Mimic, draw_mimics
from seizurekit.recordings.synthetic.patient import Patient, draw_patient
from seizurekit.recordings.synthetic.seizures import Seizure, draw_seizures
from seizurekit.recordings.synthetic.session import Session, draw_session

SPLITS = ("train", "dev", "eval")
_NAMES = 26**5
_PATIENTS_PER_MALFORMED = 3
_SEIZURE_FREE = 0.25


@dataclass(frozen=True)
class CorpusSpec:
    """Parameters of a corpus; equal parameters give equal bytes.

    Attributes:
        seed: random seed, 0 or above.
        train_patients: number of patients in ``train``.
        dev_patients: number of patients in ``dev``.
        eval_patients: number of patients in ``eval``.
        minutes: mean minutes of EEG per patient, over all recordings of the patient.
        broken: number of unreadable files in ``train``.
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
                raise ValueError(f"{field} is {getattr(self, field)}, expected 0 or above")
        if not 1.0 <= self.minutes <= 1440.0:
            raise ValueError(f"minutes is {self.minutes}, expected 1 to 1440")
        if self.broken and not self.train_patients:
            raise ValueError(f"broken is {self.broken}, expected 0 because train has no patients")

    def patients(self, split: str) -> int:
        """Number of patients in a split."""
        return {"train": self.train_patients, "dev": self.dev_patients, "eval": self.eval_patients}[split]


@dataclass(frozen=True)
class RecordingPlan:
    """One recording without its samples.

    Attributes:
        patient: patient of the recording.
        session: recording settings.
        token: index of the recording in its session, from 0; TUSZ's ``t000``.
        seconds: duration, and number of data records.
        clock: start, in seconds since midnight.
        seizures: seizures, sorted by time.
        mimics: rhythms that are not seizures, sorted by time.
        malformation: key of `MALFORMATIONS`; None for a well-formed file.
        entropy: seed of its random generator.
    """

    patient: Patient
    session: Session
    token: int
    seconds: int
    clock: int
    seizures: tuple[Seizure, ...]
    mimics: tuple[Mimic, ...]
    malformation: str | None
    entropy: tuple[int, ...]

    @property
    def stem(self) -> str:
        """File name without suffix, such as ``aaaaqzeo_s001_t000``."""
        return f"{self.patient.name}_{self.session.folder[:4]}_t{self.token:03d}"

    @property
    def path(self) -> PurePosixPath:
        """Path of the EDF file in the corpus."""
        folder = PurePosixPath(self.patient.split, self.patient.name, self.session.folder, self.session.montage)
        return folder / f"{self.stem}.edf"


def plan_corpus(spec: CorpusSpec) -> tuple[RecordingPlan, ...]:
    """All recordings of a corpus; those of one patient do not depend on the number of patients."""
    return tuple(
        recording
        for split in SPLITS
        for index in range(spec.patients(split))
        for recording in _plan_patient(spec, split, index)
    )


def _plan_patient(spec: CorpusSpec, split: str, index: int) -> Iterator[RecordingPlan]:
    patient_entropy = (spec.seed, SPLITS.index(split), index)
    rng = np.random.default_rng(patient_entropy)
    patient = draw_patient(rng, _name(spec.seed, split, index), split)
    durations = _draw_durations(rng, spec.minutes)
    year, token = patient.first_year, 0
    session = draw_session(rng, 1, year)
    for recording, seconds in enumerate(durations):
        if token and rng.random() < 0.4:
            year += int(rng.integers(0, 3))
            session, token = draw_session(rng, int(session.folder[1:4]) + 1, year), 0
        entropy = (*patient_entropy, recording)
        event_rng = np.random.default_rng((*entropy, 0))
        must_seize = index == 0 and recording == 0
        is_seizure_free = not must_seize and event_rng.random() < _SEIZURE_FREE
        seizures = () if is_seizure_free else draw_seizures(event_rng, patient, seconds, at_least_one=must_seize)
        yield RecordingPlan(
            patient=patient,
            session=session,
            token=token,
            seconds=seconds,
            clock=int(event_rng.integers(8 * 3600, 18 * 3600)),
            seizures=seizures,
            mimics=draw_mimics(event_rng, seconds, seizures),
            malformation=_malformation(split, index) if recording == 0 else None,
            entropy=(*entropy, 1),
        )
        token += 1


def _name(seed: int, split: str, index: int) -> str:
    # 4999 and 26 have no common factor, so that different patients get different names.
    code = ((3 * index + SPLITS.index(split)) * 4999 + 104_729 * seed) % _NAMES
    letters = ""
    for _ in range(5):
        code, letter = divmod(code, 26)
        letters = chr(ord("a") + letter) + letters
    return "aaa" + letters


def _draw_durations(rng: np.random.Generator, minutes: float) -> list[int]:
    """Durations in whole seconds: about one recording per ten minutes, sometimes one shorter than a minute."""
    total = 60.0 * minutes * float(rng.uniform(0.55, 1.45))
    count = max(1, round(total / float(rng.uniform(300.0, 900.0))))
    shares = rng.uniform(0.6, 1.4, count)
    durations = [max(20, round(seconds)) for seconds in total * shares / shares.sum()]
    if rng.random() < 0.12:
        durations.append(int(rng.integers(20, 58)))
    return durations


def _malformation(split: str, index: int) -> str | None:
    if index % _PATIENTS_PER_MALFORMED != 1:
        return None
    kinds = tuple(MALFORMATIONS)
    return kinds[(index // _PATIENTS_PER_MALFORMED + 3 * SPLITS.index(split)) % len(kinds)]
