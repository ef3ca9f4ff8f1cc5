"""Filling a planned store: a worker preprocesses the recordings of whole shards and writes these shards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizurekit.cache.build.plan import Plan, PlannedRecording, Unit
from seizurekit.cache.build.shard_writer import open_shard
from seizurekit.cache.layout import BUILD_FOLDER, CHUNK_SECONDS, CHUNKS_PER_SHARD, FAILED, OK, UNLABELLED, shard_name
from seizurekit.errors import CorpusError, SeizurekitError
from seizurekit.recordings.annotations import read_annotations
from seizurekit.recordings.edf import EdfFile, open_edf
from seizurekit.signal.chain import Chain
from seizurekit.signal.preprocess import Preprocessed, preprocess_edf, quantize
from seizurekit.storage.folder import Folder


@dataclass(frozen=True)
class FilledRecording:
    """A recording's columns that are known after reading it; `events` are (start s, stop s, label, confidence)."""

    index: int
    status: str
    reason: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolated: tuple[str, ...]
    reference: str
    repairs: tuple[str, ...]
    remarks: tuple[str, ...]
    events: tuple[tuple[float, float, str, float], ...]


ReadRecording = Callable[["UnitTask", int, PlannedRecording], tuple[FilledRecording, NDArray[np.int16] | None]]
"""Reads a recording: its columns and its fixed-point signal [channel, sample], which is None if it cannot be read."""


@dataclass(frozen=True)
class UnitTask:
    """A unit and all that is needed to write it, which can be sent to another machine.

    Attributes:
        unit: the shards, and the indices of the recordings in them.
        recordings: these recordings, in that order.
        chain: the preprocessing.
        step: value of one unit of the stored integers.
        root: folder of the corpus.
        folder: the split's folder.
        read: reads a recording.
    """

    unit: Unit
    recordings: tuple[PlannedRecording, ...]
    chain: Chain
    step: float
    root: Path
    folder: Folder
    read: ReadRecording

    @property
    def chunk(self) -> int:
        """Samples of a channel in a chunk."""
        return CHUNK_SECONDS * self.chain.sampling_rate


OnRecording = Callable[[PlannedRecording, FilledRecording], None]
Executor = Callable[[Sequence[UnitTask], OnRecording], None]
"""Runs all tasks, in any order, and calls the function after each recording, perhaps from several threads at once."""


def fill(
    plan: Plan, root: Path, folder: Folder, execute: Executor, on_recording: OnRecording, read: ReadRecording
) -> None:
    """Writes every shard that is not finished yet.

    Args:
        plan: the position of each recording.
        root: folder of the corpus.
        folder: the split's folder.
        execute: runs the tasks.
        on_recording: called after each recording, including those that an earlier run finished.
        read: reads a recording.

    Raises:
        OSError: a shard cannot be written; finished shards stay, and the next run resumes after them.
    """
    finished = read_filled(plan, folder)
    for index, filled in finished.items():
        on_recording(plan.recordings[index], filled)
    tasks = []
    for unit in plan.units():
        if not finished.keys() & set(unit.recordings):
            recordings = tuple(plan.recordings[index] for index in unit.recordings)
            tasks.append(UnitTask(unit, recordings, plan.chain, plan.step, root, folder, read))
    execute(tasks, on_recording)


def thread_executor(workers: int) -> Executor:
    """Runs tasks in threads of this process, each with one recording in memory."""

    def execute(tasks: Sequence[UnitTask], on_recording: OnRecording) -> None:
        pool = ThreadPoolExecutor(workers)
        try:
            for future in as_completed([pool.submit(write_unit, task, on_recording) for task in tasks]):
                future.result()
        finally:  # even at Ctrl-C: running tasks finish, the others do not start
            pool.shutdown(wait=True, cancel_futures=True)

    return execute


def read_filled(plan: Plan, folder: Folder) -> dict[int, FilledRecording]:
    """The recordings of finished units by their indices."""
    results = folder.read_present([_result_name(unit) for unit in plan.units()])
    rows = (row for content in results.values() for row in json.loads(content))
    return {filled.index: filled for filled in map(_from_json, rows)}


def _result_name(unit: Unit) -> str:
    return f"{BUILD_FOLDER}/unit-{unit.index:06d}.json"


def _from_json(row: dict[str, Any]) -> FilledRecording:
    arguments: dict[str, Any] = {name: _tuples(v) if isinstance(v, list) else v for name, v in row.items()}
    return FilledRecording(**arguments)


def _tuples(value: list[object]) -> tuple[object, ...]:
    return tuple(_tuples(each) if isinstance(each, list) else each for each in value)


def write_unit(task: UnitTask, on_recording: OnRecording | None = None) -> tuple[FilledRecording, ...]:
    """Preprocesses a unit's recordings and writes its shards, then its result, which marks the unit as finished."""
    filled = tuple(_write_shards(task, on_recording))
    # The shards have been renamed by now: a unit with a result is complete.
    task.folder.write(_result_name(task.unit), json.dumps([asdict(each) for each in filled]).encode())
    return filled


def _write_shards(task: UnitTask, on_recording: OnRecording | None) -> Iterator[FilledRecording]:
    with ExitStack() as stack:
        first_shard = task.unit.first_shard
        names = [shard_name(first_shard + i) for i in range(task.unit.shards)]
        shards = [stack.enter_context(open_shard(task.folder, name)) for name in names]
        for index, planned in zip(task.unit.recordings, task.recordings, strict=True):
            filled, signal = task.read(task, index, planned)
            if signal is not None:
                for first, samples in _chunks(signal, task.chunk):
                    shard, chunk = divmod((planned.first_sample + first) // task.chunk, CHUNKS_PER_SHARD)
                    shards[shard - first_shard].add(chunk, samples)
            if on_recording is not None:
                on_recording(planned, filled)
            yield filled


def _chunks(signal: NDArray[np.int16], chunk: int) -> Iterator[tuple[int, NDArray[np.int16]]]:
    """First sample and samples of each chunk of a signal; the last chunk is padded with zeros."""
    for first in range(0, signal.shape[1], chunk):
        samples = signal[:, first : first + chunk]
        missing = chunk - samples.shape[1]
        yield first, np.pad(samples, ((0, 0), (0, missing))) if missing else samples


def read_edf(task: UnitTask, index: int, planned: PlannedRecording) -> tuple[FilledRecording, NDArray[np.int16] | None]:
    """Reads and preprocesses an EDF recording, see `ReadRecording`."""
    try:
        with open_edf(task.root / planned.source) as edf:
            preprocessed = preprocess_edf(edf, task.chain)
            repairs = tuple(str(issue) for issue in edf.issues)
            _check_length(edf, preprocessed, planned)
        status, events, remarks = _read_events(task, planned)
    except (SeizurekitError, OSError) as error:
        zeros = tuple(0.0 for _ in task.chain.channels)
        return FilledRecording(index, FAILED, str(error), zeros, zeros, (), "", (), (), ()), None
    filled = FilledRecording(
        index=index,
        status=status,
        reason="no annotation file next to the recording" if status == UNLABELLED else "",
        mean=tuple(preprocessed.mean.tolist()),
        std=tuple(preprocessed.std.tolist()),
        interpolated=preprocessed.interpolated,
        reference=preprocessed.reference,
        repairs=repairs,
        remarks=remarks,
        events=events,
    )
    return filled, quantize(preprocessed.signal, task.step)


def _check_length(edf: EdfFile, preprocessed: Preprocessed, planned: PlannedRecording) -> None:
    samples = preprocessed.signal.shape[1]
    if samples != planned.samples:
        raise CorpusError(
            f"{edf.path}: the recording has {samples} samples, expected {planned.samples} by its header when the build "
            "started: the file has changed"
        )


def _read_events(
    task: UnitTask, planned: PlannedRecording
) -> tuple[str, tuple[tuple[float, float, str, float], ...], tuple[str, ...]]:
    """Status, events and remarks of a recording."""
    if not planned.annotations:
        return UNLABELLED, (), ()
    duration = planned.samples / task.chain.sampling_rate
    annotations = read_annotations(task.root / planned.annotations).clip(duration)
    events = tuple((e.start, e.stop, e.label, e.confidence) for e in annotations.seizures())
    return OK, events, annotations.messages
