"""Generates one synthetic recording: from its plan to scalp potentials to the bytes of an EDF file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seizurekit.recordings.synthetic.artifacts import add_artifacts
from seizurekit.recordings.synthetic.background import background
from seizurekit.recordings.synthetic.edf_file import (
    ANNOTATIONS,
    FileHeader,
    SignalHeader,
    digitize,
    encode_annotations,
    encode_header,
)
from seizurekit.recordings.synthetic.malformations import malform
from seizurekit.recordings.synthetic.mimics import add_mimic
from seizurekit.recordings.synthetic.noise import slow_curve
from seizurekit.recordings.synthetic.plan import RecordingPlan
from seizurekit.recordings.synthetic.scalp import ELECTRODES, TEN_TWENTY
from seizurekit.recordings.synthetic.seizures import add_seizure, suppression
from seizurekit.recordings.synthetic.session import Session

Float32 = npt.NDArray[np.float32]

_BURST_COUNTERS = (("IBI", "sec"), ("BURSTS", "brst/min"), ("SUPPR", "%"))
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def scalp_potentials(plan: RecordingPlan) -> Float32:
    """Scalp potentials in microvolts without a reference, float32 [electrode, sample] in the order of `ELECTRODES`."""
    rate, samples = plan.session.rate, plan.seconds * plan.session.rate
    rng = np.random.default_rng((*plan.entropy, 0))
    ictal = suppression(plan.seizures, samples, rate)
    potentials = background(rng, plan.patient, samples, rate, ictal)
    for seizure in plan.seizures:
        add_seizure(rng, seizure, plan.patient.background_uv, potentials, rate)
    for mimic in plan.mimics:
        add_mimic(rng, mimic, plan.patient.background_uv, potentials, rate)
    add_artifacts(rng, plan.patient, potentials, rate)
    return potentials


def encode_recording(plan: RecordingPlan) -> bytes:
    """Bytes of the EDF file, including its malformation if it has one."""
    session = plan.session
    potentials = scalp_potentials(plan)
    _subtract_reference(potentials, session)
    headers = signal_headers(session)
    records = np.empty((plan.seconds, sum(header.samples_per_record for header in headers)), "<i2")
    auxiliary = _auxiliary_signals(plan)
    first = 0
    for position, header in enumerate(headers):
        out = records[:, first : first + header.samples_per_record]
        first += header.samples_per_record
        if header is ANNOTATIONS:
            out[...] = encode_annotations(_notes(plan), plan.seconds)
        elif position < len(session.electrodes):
            digitize(potentials[ELECTRODES.index(session.electrodes[position])], header, out)
        else:
            digitize(auxiliary[position - len(session.electrodes)], header, out)
    edf = encode_header(_file_header(plan), headers, plan.seconds) + records.tobytes()
    return edf if plan.malformation is None else malform(edf, plan.malformation)


def signal_headers(session: Session) -> tuple[SignalHeader, ...]:
    """Signals in file order: electrodes, electrocardiogram, two unused inputs, burst counters, annotations."""
    amplifier, reference = session.amplifier, session.reference
    labels = [f"EEG {electrode}-{reference}" for electrode in session.electrodes]
    labels += [session.heart, f"EEG 31-{reference}", f"EEG 32-{reference}"]
    headers = [
        SignalHeader(
            label=label,
            samples_per_record=session.rate,
            transducer=amplifier.transducer,
            dimension="uV",
            physical_min=amplifier.physical_min,
            physical_max=amplifier.physical_max,
            digital_min=amplifier.digital_min,
            prefilter=amplifier.prefilter,
        )
        for label in labels
    ]
    if session.burst_counters:
        headers += [
            SignalHeader(label, 1, "Unknown", dimension, "-3276.70", "3276.700", -32767, 32767, amplifier.prefilter)
            for label, dimension in _BURST_COUNTERS
        ]
    return (*headers, ANNOTATIONS) if session.plus else tuple(headers)


def _subtract_reference(potentials: Float32, session: Session) -> None:
    names = ("A1", "A2") if session.reference == "LE" else TEN_TWENTY
    reference = potentials[[ELECTRODES.index(name) for name in names]].mean(axis=0)
    potentials -= reference


def _auxiliary_signals(plan: RecordingPlan) -> list[Float32]:
    session = plan.session
    rng = np.random.default_rng((*plan.entropy, 1))
    unused = rng.normal(0.0, 2.0, (2, plan.seconds * session.rate)).astype(np.float32)
    signals = [_electrocardiogram(rng, plan.seconds * session.rate, session.rate), *unused]
    if session.burst_counters:
        signals += list(np.round(rng.uniform(0.0, 5.0, (3, plan.seconds)), 1).astype(np.float32))
    return signals


def _electrocardiogram(rng: np.random.Generator, samples: int, rate: int) -> Float32:
    """R and T waves in microvolts, float32 [sample]."""
    beats = 1.0 + 0.05 * slow_curve(rng, samples, rate, 1.0)
    phase = np.cumsum(beats, dtype=np.float64) * (rng.uniform(0.9, 1.6) / rate) % 1.0
    wave = 800.0 * np.exp(-(((phase - 0.3) / 0.012) ** 2)) + 150.0 * np.exp(-(((phase - 0.55) / 0.05) ** 2))
    return wave.astype(np.float32)


def _notes(plan: RecordingPlan) -> list[tuple[float, str]]:
    """Annotations that a technician would make: artifacts, no seizures."""
    return [(0.0, "recording starts"), *((mimic.start, mimic.kind) for mimic in plan.mimics)]


def _file_header(plan: RecordingPlan) -> FileHeader:
    session = plan.session
    day = np.datetime64(f"{session.year}-01-01") + np.timedelta64(session.day, "D")
    year, month, date = (int(part) for part in str(day).split("-"))
    hours, minutes = divmod(plan.clock // 60, 60)
    start_date = f"{date:02d}-{_MONTHS[month - 1]}-{year}"
    patient = "X X X X" if session.plus else f"{plan.patient.name} X X {plan.patient.name}"
    recording = f"Startdate {start_date} " + ("X X X" if session.plus else f"{plan.stem[:13]} 00 X")
    return FileHeader(
        patient=patient,
        recording=recording,
        date=f"{date:02d}.{month:02d}.{year % 100:02d}",
        time=f"{hours:02d}.{minutes:02d}.{plan.clock % 60:02d}",
        plus=session.plus,
    )
