"""EDF readers to compare. Each prepares a call without arguments that reads a task's channels.

Every call returns float32 [channel, sample] in the file's physical unit, except MNE's, which returns volts: scaling is
not part of reading, and `Reader.unit` gives the factor.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import seizurekit as sk

Samples = NDArray[np.float32]
Read = Callable[[], Samples]


@dataclass(frozen=True)
class Task:
    """Channels to read from a file.

    Attributes:
        path: the file.
        labels: channels to read, the first ones of the file.
        signals: number of signals in the file.
        samples_per_record: of each signal.
        gain: physical units per digital step, the same for all signals.
        offset: physical value of digital 0.
    """

    path: Path
    labels: tuple[str, ...]
    signals: int
    samples_per_record: int
    gain: float
    offset: float


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        name: shown in the report.
        package: module that it needs.
        prepare: returns the call to time.
        unit: factor from the call's result to the file's physical unit.
        is_ours: whether it is part of seizurekit.
    """

    name: str
    package: str
    prepare: Callable[[Task], Read]
    unit: float = 1.0
    is_ours: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether its module can be imported."""
        return importlib.util.find_spec(self.package) is not None


def _prepare_ours(task: Task) -> Read:
    return lambda: sk.open_edf(task.path).read(channels=task.labels)


def _prepare_ours_with_out(task: Task) -> Read:
    out = sk.open_edf(task.path).read(channels=task.labels)
    return lambda: sk.open_edf(task.path).read(channels=task.labels, out=out)


def _prepare_mne(task: Task) -> Read:
    import mne

    def read() -> Samples:
        raw = mne.io.read_raw_edf(task.path, include=list(task.labels), verbose="error")
        return np.asarray(raw.get_data(), np.float32)

    return read


def _prepare_pyedflib(task: Task) -> Read:
    import pyedflib

    def read() -> Samples:
        with pyedflib.EdfReader(str(task.path)) as file:
            positions = {label: position for position, label in enumerate(file.getSignalLabels())}
            return np.stack([file.readSignal(positions[label]) for label in task.labels], dtype=np.float32)

    return read


def _prepare_edfio(task: Task, lazy: bool) -> Read:
    import edfio

    def read() -> Samples:
        file = edfio.read_edf(task.path, lazy_load_data=lazy)
        return np.stack([file.get_signal(label).data for label in task.labels], dtype=np.float32)

    return read


def _prepare_numpy(task: Task) -> Read:
    header_bytes = 256 * (1 + task.signals)
    gain, offset = np.float32(task.gain), np.float32(task.offset)

    def read() -> Samples:
        stored = np.fromfile(task.path, "<i2", offset=header_bytes)
        records = stored.reshape(-1, task.signals, task.samples_per_record)[:, : len(task.labels)]
        samples = records.transpose(1, 0, 2).reshape(len(task.labels), -1).astype(np.float32)
        samples *= gain
        samples += offset
        return samples

    return read


def read_plainly(path: Path) -> Callable[[], int]:
    """Returns a call that reads all bytes of a file into one reused buffer and returns their number."""
    buffer = memoryview(bytearray(path.stat().st_size))

    def read() -> int:
        with path.open("rb", buffering=0) as file:
            return file.readinto(buffer) or 0

    return read


READERS = (
    Reader("seizurekit, out= reused", "seizurekit", _prepare_ours_with_out, is_ours=True),
    Reader("seizurekit", "seizurekit", _prepare_ours, is_ours=True),
    Reader("MNE", "mne", _prepare_mne, unit=1e6),
    Reader("pyedflib", "pyedflib", _prepare_pyedflib),
    Reader("edfio, eager", "edfio", lambda task: _prepare_edfio(task, lazy=False)),
    Reader("edfio, lazy", "edfio", lambda task: _prepare_edfio(task, lazy=True)),
    Reader("NumPy reshape", "numpy", _prepare_numpy),
)
