"""Recording settings of a session, as in TUSZ: signals, labels, ranges and sampling rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seizurekit.recordings.synthetic.scalp import TEN_TWENTY

_PAIRS = (
    "FP1-F7 F7-T3 T3-T5 T5-O1 FP2-F8 F8-T4 T4-T6 T6-O2 A1-T3 T3-C3 C3-CZ CZ-C4 C4-T4 T4-A2 "
    "FP1-F3 F3-C3 C3-P3 P3-O1 FP2-F4 F4-C4 C4-P4 P4-O2"
)
BIPOLAR = tuple((pair.split("-")[0], pair.split("-")[1]) for pair in _PAIRS.split())

_MIDLINE_OPTIONAL = ("FZ", "PZ")


@dataclass(frozen=True)
class Amplifier:
    """Header fields of an amplifier: range of the signals, filters and transducer."""

    physical_min: str
    physical_max: str
    digital_min: int
    prefilter: str
    transducer: str


_AMPLIFIERS = (
    Amplifier("-5482.28", "5482.288", -32767, "HP:0.000 Hz LP:0.0 Hz N:0.0", "Unknown"),
    Amplifier("-4999.85", "4999.85", -32767, "HP:-1.000 Hz LP:-2.0 Hz N:0.0", "EEG"),
    Amplifier("-3276.70", "3276.700", -32767, "HP:0.000 Hz LP:0.0 Hz N:0.0", "Unknown"),
)


@dataclass(frozen=True)
class Session:
    """Recording settings of one session of a patient.

    Attributes:
        folder: session folder, such as ``s001_2011``.
        montage: TUSZ's montage folder, such as ``02_tcp_le``.
        reference: ``REF`` or ``LE``, the end of every label.
        rate: sampling rate in Hz.
        electrodes: scalp electrodes in file order.
        amplifier: range and filters.
        burst_counters: True if the file has the 1 Hz signals IBI, BURSTS and SUPPR.
        plus: True for EDF+C with an annotation signal, False for plain EDF.
        day: day of the year, from 0.
    """

    folder: str
    montage: str
    reference: str
    rate: int
    electrodes: tuple[str, ...]
    amplifier: Amplifier
    burst_counters: bool
    plus: bool
    day: int

    @property
    def year(self) -> int:
        """Year in the folder name."""
        return int(self.folder.split("_")[1])

    @property
    def heart(self) -> str:
        """Label of the electrocardiogram."""
        return "EEG EKG-LE" if self.reference == "LE" else "EEG EKG1-REF"

    def bipolar_channels(self) -> tuple[tuple[str, str], ...]:
        """Bipolar channels of the montage; ``03_tcp_ar_a`` has no ear electrodes."""
        missing = {"A1", "A2"} if self.montage == "03_tcp_ar_a" else set()
        return tuple(pair for pair in BIPOLAR if not missing & set(pair))


def draw_session(rng: np.random.Generator, number: int, year: int) -> Session:
    """Draws the recording settings of session `number`, counted from 1."""
    montage = str(rng.choice(("01_tcp_ar", "02_tcp_le", "03_tcp_ar_a"), p=(0.55, 0.25, 0.2)))
    electrodes = list(TEN_TWENTY)
    if montage != "03_tcp_ar_a":
        electrodes += ["A1", "A2", "T1", "T2"]
    if montage == "02_tcp_le":
        electrodes.append("OZ")
    elif rng.random() < 0.12:
        electrodes = [electrode for electrode in electrodes if electrode not in _MIDLINE_OPTIONAL]
    return Session(
        folder=f"s{number:03d}_{year}",
        montage=montage,
        reference="LE" if montage == "02_tcp_le" else "REF",
        rate=int(rng.choice((250, 256, 400, 512), p=(0.3, 0.45, 0.15, 0.1))),
        electrodes=tuple(electrodes),
        amplifier=_AMPLIFIERS[int(rng.integers(len(_AMPLIFIERS)))],
        burst_counters=bool(montage == "01_tcp_ar" and rng.random() < 0.5),
        plus=bool(rng.random() < 0.6),
        day=int(rng.integers(365)),
    )
