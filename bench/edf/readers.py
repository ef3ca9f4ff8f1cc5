"""The readers of `bench.edf`, each as a function that makes a call without arguments out of a task.

Every call gives float32 [channel, sample] in the file's physical unit; MNE's volts are left as they are, for scaling
them is no part of reading, and `Reader.unit` says so.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Read = Callable[[], Samples]


@dataclass(frozen=True)
class Task:
    """Channels to read out of a file that `generate` of `bench.edf` wrote.

    Attributes:
        path: the file.
        labels: the channels to read.
        signals: how many signals the file has.
        samples_per_record: of each signal.
        limits: physical and digital minimum and maximum, the same for all signals.
    """

    path: Path
    labels: tuple[str, ...]
    signals: int
    samples_per_record: int
    limits: tuple[float, float, int, int]


@dataclass(frozen=True)
class Reader:
    """One contender.

    Attributes:
        name: as the table shows it.
        package: what has to be installed for it.
        prepare: makes the call to time.
        unit: its result times this is in the file's physical unit.
        is_ours: whether it is seizurekit's own.
    """

    name: str
    package: str
    prepare: Callable[[Task], Read]
    unit: float = 1.0
    is_ours: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether its package can be imported."""
        return importlib.util.find_spec(self.package) is not None


def _ours(task: Task) -> Read:
    import seizurekit as sk

    return lambda: sk.open_edf(task.path).read(channels=task.labels)


def _ours_into(task: Task) -> Read:
    import seizurekit as sk

    out = sk.open_edf(task.path).read(channels=task.labels)
    return lambda: sk.open_edf(task.path).read(channels=task.labels, out=out)


def _mne(task: Task) -> Read:
    import mne

    def read() -> Samples:
        raw = mne.io.read_raw_edf(task.path, include=list(task.labels), verbose="error")
        return np.asarray(raw.get_data(), np.float32)

    return read


def _pyedflib(task: Task) -> Read:
    import pyedflib

    def read() -> Samples:
        with pyedflib.EdfReader(str(task.path)) as file:
            positions = {label: position for position, label in enumerate(file.getSignalLabels())}
            return np.stack([file.readSignal(positions[label]) for label in task.labels], dtype=np.float32)

    return read


def _edfio(task: Task, lazy: bool) -> Read:
    import edfio

    def read() -> Samples:
        file = edfio.read_edf(task.path, lazy_load_data=lazy)
        return np.stack([file.get_signal(label).data for label in task.labels], dtype=np.float32)

    return read


def _numpy_reshape(task: Task) -> Read:
    header_bytes = 256 * (1 + task.signals)
    physical_min, physical_max, digital_min, digital_max = task.limits
    gain = np.float32((physical_max - physical_min) / (digital_max - digital_min))
    offset = np.float32(physical_min - digital_min * float(gain))

    def read() -> Samples:
        stored = np.fromfile(task.path, "<i2", offset=header_bytes)
        records = stored.reshape(-1, task.signals, task.samples_per_record)[:, : len(task.labels)]
        samples = records.transpose(1, 0, 2).reshape(len(task.labels), -1).astype(np.float32)
        samples *= gain
        samples += offset
        return samples

    return read


def plain_read(path: Path) -> Callable[[], int]:
    """A call that reads the whole file's bytes into one buffer, the same each time; it returns their number."""
    buffer = memoryview(bytearray(path.stat().st_size))

    def read() -> int:
        with path.open("rb", buffering=0) as file:
            return file.readinto(buffer) or 0

    return read


READERS = (
    Reader("seizurekit, out= reused", "seizurekit", _ours_into, is_ours=True),
    Reader("seizurekit", "seizurekit", _ours, is_ours=True),
    Reader("MNE", "mne", _mne, unit=1e6),
    Reader("pyedflib", "pyedflib", _pyedflib),
    Reader("edfio, eager", "edfio", lambda task: _edfio(task, lazy=False)),
    Reader("edfio, lazy", "edfio", lambda task: _edfio(task, lazy=True)),
    Reader("NumPy reshape", "numpy", _numpy_reshape),
)
