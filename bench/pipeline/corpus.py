"""A corpus in TUSZ's layout: the 10-20 electrodes and others, EEG-like noise, one seizure per recording."""

from __future__ import annotations

from pathlib import Path

import edfio
import numpy as np
from numpy.typing import NDArray

from seizurekit.recordings.annotations import Event
from seizurekit.recordings.annotations_write import write_csv_bi
from seizurekit.recordings.channels import CANONICAL_CHANNELS

OTHER_CHANNELS = ("A1", "A2", "T1", "T2", "EKG1", "26", "27", "28", "29", "30", "31", "32", "PHOTIC", "ROC")


def write_corpus(folder: Path, rate: int, minutes: float, recordings: int, seed: int = 0) -> list[Path]:
    """Writes recordings of 33 channels, as in TUSZ, and their annotations; returns the EDF files."""
    random = np.random.default_rng(seed)
    samples = int(minutes * 60) * rate
    labels = [f"EEG {name.upper()}-REF" for name in (*CANONICAL_CHANNELS, *OTHER_CHANNELS)]
    files = []
    for index in range(recordings):
        patient = f"aaaaaaa{chr(ord('a') + index)}"
        path = folder / "train" / patient / "s001_2012" / "01_tcp_ar" / f"{patient}_s001_t000.edf"
        path.parent.mkdir(parents=True)
        signals = [
            edfio.EdfSignal(
                _noise(random, samples, rate), rate, label=label, physical_dimension="uV", physical_range=(-5000, 5000)
            )
            for label in labels
        ]
        edfio.Edf(signals, data_record_duration=1).write(path)
        write_csv_bi(path.with_suffix(".csv_bi"), [Event(30.0, 60.0, "seiz")], minutes * 60)
        files.append(path)
    return files


def _noise(random: np.random.Generator, samples: int, rate: int) -> NDArray[np.float64]:
    """1/f noise from 0.3 Hz up, 30 µV, plus white amplifier noise of 1 µV."""
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    spectrum = random.normal(size=(2, len(frequency))) / np.maximum(frequency, 0.3)
    x = np.fft.irfft(spectrum[0] + 1j * spectrum[1], samples)
    return np.asarray(30 * x / x.std() + random.normal(size=samples))
