"""Filling a planned store: a worker preprocesses the recordings of whole shards, and writes these shards."""

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
from seizurekit.cache.build.writer import open_shard
from seizurekit.cache.layout import BUILD_FOLDER, CHUNK_SECONDS, CHUNKS_A_SHARD, FAILED, OK, UNLABELLED, shard_name
from seizurekit.errors import SeizurekitError
from seizurekit.recordings.annotations import read_annotations
from seizurekit.recordings.edf import EdfFile, open_edf
from seizurekit.signal.chain import Chain
from seizurekit.signal.preprocess import Preprocessed, preprocess_edf, quantize
from seizurekit.storage.folder import Folder


@dataclass(frozen=True)
class Filled:
    """What filling found out about a recording; `events` are (start s, stop s, label, confidence)."""

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


Reader = Callable[["Work", int, PlannedRecording], tuple[Filled, NDArray[np.int16] | None]]
"""What there is to say about a recording, and its fixed-point signal [channel, sample]; None where it cannot be had."""


@dataclass(frozen=True)
class Work:
    """A unit, with all that is needed to write it: it can be sent to another machine.

    Attributes:
        unit: shards, and the numbers of the recordings in them.
        recordings: these recordings, in that order.
        chain: the preprocessing.
        step: of the fixed point.
        root: the corpus.
        folder: the split's.
        read: gives a recording's signal.
    """

    unit: Unit
    recordings: tuple[PlannedRecording, ...]
    chain: Chain
    step: float
    root: Path
    folder: Folder
    read: Reader

    @property
    def chunk(self) -> int:
        """Samples a chunk."""
        return CHUNK_SECONDS * self.chain.sampling_rate


OnRecording = Callable[[PlannedRecording, Filled], None]
Executor = Callable[[Sequence[Work], OnRecording], None]
"""Does all the work, in any order; tells of each recording, in one thread at a time or not."""


def fill(
    plan: Plan, root: Path, folder: Folder, execute: Executor, on_recording: OnRecording, read: Reader | None = None
) -> None:
    """Writes every shard that is not finished yet; `on_recording` is told of each recording, also of finished ones.

    Raises:
        OSError: a shard cannot be written; what is finished stays, and the next run goes on from there.
    """
    finished = read_filled(plan, folder)
    for index, each in finished.items():
        on_recording(plan.recordings[index], each)
    execute(
        [
            Work(
                unit,
                tuple(plan.recordings[i] for i in unit.recordings),
                plan.chain,
                plan.step,
                root,
                folder,
                read or read_edf,
            )
            for unit in plan.units()
            if not finished.keys() & set(unit.recordings)
        ],
        on_recording,
    )


def in_threads(workers: int) -> Executor:
    """Does the work in threads of this process, each with one recording in memory."""

    def execute(works: Sequence[Work], on_recording: OnRecording) -> None:
        pool = ThreadPoolExecutor(workers)
        try:
            for future in as_completed([pool.submit(write_unit, work, on_recording) for work in works]):
                future.result()
        finally:  # also at Ctrl-C: what is under way ends, the rest does not begin
            pool.shutdown(wait=True, cancel_futures=True)

    return execute


def read_filled(plan: Plan, folder: Folder) -> dict[int, Filled]:
    """What filling found out, by the recording's number, of the units that are finished."""
    results = folder.read_present([_result_name(unit) for unit in plan.units()])
    rows = (row for content in results.values() for row in json.loads(content))
    return {each.index: each for each in map(_filled_of, rows)}


def _result_name(unit: Unit) -> str:
    return f"{BUILD_FOLDER}/unit-{unit.number:06d}.json"


def _filled_of(row: dict[str, Any]) -> Filled:
    arguments: dict[str, Any] = {name: _tuples(v) if isinstance(v, list) else v for name, v in row.items()}
    return Filled(**arguments)


def _tuples(value: list[object]) -> tuple[object, ...]:
    return tuple(_tuples(each) if isinstance(each, list) else each for each in value)


def write_unit(work: Work, on_recording: OnRecording | None = None) -> tuple[Filled, ...]:
    """Preprocesses a unit's recordings, writes its shards, and then notes what was found, which finishes it."""
    filled = tuple(_write_shards(work, on_recording))
    # The shards have their names by now, so a unit whose result stands here is whole.
    work.folder.write(_result_name(work.unit), json.dumps([asdict(each) for each in filled]).encode())
    return filled


def _write_shards(work: Work, on_recording: OnRecording | None) -> Iterator[Filled]:
    with ExitStack() as stack:
        first_shard = work.unit.first_shard
        names = [shard_name(first_shard + number) for number in range(work.unit.shards)]
        shards = [stack.enter_context(open_shard(work.folder, name)) for name in names]
        for index, planned in zip(work.unit.recordings, work.recordings, strict=True):
            filled, signal = work.read(work, index, planned)
            if signal is not None:
                for sample, samples in _chunks(signal, work.chunk):
                    shard, chunk = divmod((planned.first_sample + sample) // work.chunk, CHUNKS_A_SHARD)
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


def read_edf(work: Work, index: int, planned: PlannedRecording) -> tuple[Filled, NDArray[np.int16] | None]:
    """A recording's fixed-point signal [channel, sample], and what there is to say about it."""
    try:
        with open_edf(work.root / planned.source) as edf:
            found = preprocess_edf(edf, work.chain)
            repairs = tuple(str(issue) for issue in edf.issues)
            _check_length(edf, found, planned)
        status, events, remarks = _labels(work, planned)
    except (SeizurekitError, OSError) as error:
        nothing = tuple(0.0 for _ in work.chain.channels)
        return Filled(index, FAILED, str(error), nothing, nothing, (), "", (), (), ()), None
    filled = Filled(
        index=index,
        status=status,
        reason="no annotation file beside the recording" if status == UNLABELLED else "",
        mean=tuple(found.mean.tolist()),
        std=tuple(found.std.tolist()),
        interpolated=found.interpolated,
        reference=found.reference,
        repairs=repairs,
        remarks=remarks,
        events=events,
    )
    return filled, quantize(found.signal, work.step)


def _check_length(edf: EdfFile, found: Preprocessed, planned: PlannedRecording) -> None:
    if found.signal.shape[1] != planned.samples:
        raise SeizurekitError(
            f"{edf.path}: found {found.signal.shape[1]} samples, wanted the {planned.samples} of its header: "
            "the file changed while the store was built"
        )


def _labels(
    work: Work, planned: PlannedRecording
) -> tuple[str, tuple[tuple[float, float, str, float], ...], tuple[str, ...]]:
    if not planned.annotations:
        return UNLABELLED, (), ()
    duration = planned.samples / work.chain.sampling_rate
    annotations = read_annotations(work.root / planned.annotations).clip(duration)
    events = tuple((e.start, e.stop, e.label, e.confidence) for e in annotations.seizures())
    return OK, events, annotations.messages
