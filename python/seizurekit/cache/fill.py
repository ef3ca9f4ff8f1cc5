"""Filling a planned store: a worker preprocesses the recordings of whole shards, and writes these shards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizurekit.atomic import write_whole
from seizurekit.cache.layout import BUILD_FOLDER, CHUNKS_A_SHARD, FAILED, OK, UNLABELLED, shard_path
from seizurekit.cache.plan import Plan, PlannedRecording, Unit
from seizurekit.cache.shard import ShardWriter
from seizurekit.errors import SeizurekitError
from seizurekit.recordings.annotations import read_annotations
from seizurekit.recordings.edf import EdfFile, open_edf
from seizurekit.signal.preprocess import Preprocessed, prepare, quantize


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


OnRecording = Callable[[PlannedRecording, Filled], None]


def fill(plan: Plan, root: Path, split_dir: Path, workers: int, on_recording: OnRecording) -> None:
    """Writes every shard that is not finished yet; `on_recording` is told of each recording, also of finished ones.

    Raises:
        OSError: a shard cannot be written; what is finished stays, and the next run goes on from there.
    """
    units = plan.units()
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(_fill_unit, plan, unit, root, split_dir, on_recording) for unit in units]
        done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
        for future in waiting:
            future.cancel()
        for future in done:
            future.result()


def read_filled(plan: Plan, split_dir: Path) -> dict[int, Filled]:
    """What filling found out, by the recording's number."""
    filled: dict[int, Filled] = {}
    for unit in plan.units():
        filled.update({each.index: each for each in _finished(unit, split_dir) or ()})
    return filled


def _result_path(unit: Unit, split_dir: Path) -> Path:
    return split_dir / BUILD_FOLDER / f"unit-{unit.number:06d}.json"


def _finished(unit: Unit, split_dir: Path) -> tuple[Filled, ...] | None:
    path = _result_path(unit, split_dir)
    try:
        rows = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return tuple(_filled_of(row) for row in rows)


def _filled_of(row: dict[str, Any]) -> Filled:
    arguments: dict[str, Any] = {name: _tuples(v) if isinstance(v, list) else v for name, v in row.items()}
    return Filled(**arguments)


def _tuples(value: list[object]) -> tuple[object, ...]:
    return tuple(_tuples(each) if isinstance(each, list) else each for each in value)


def _fill_unit(plan: Plan, unit: Unit, root: Path, split_dir: Path, on_recording: OnRecording) -> None:
    finished = _finished(unit, split_dir)
    if finished is None:
        finished = tuple(_write_unit(plan, unit, root, split_dir, on_recording))
        # The shards have their names by now, so a unit whose result stands here is whole.
        write_whole(_result_path(unit, split_dir), json.dumps([asdict(each) for each in finished]).encode())
    else:
        for each in finished:
            on_recording(plan.recordings[each.index], each)


def _write_unit(plan: Plan, unit: Unit, root: Path, split_dir: Path, on_recording: OnRecording) -> Iterator[Filled]:
    with _ShardRun(plan, unit, split_dir) as shards:
        for index in unit.recordings:
            planned = plan.recordings[index]
            filled, signal = _filled(plan, index, root)
            if signal is not None:
                for first in range(0, signal.shape[1], plan.chunk):
                    shards.add(planned.first_sample + first, signal[:, first : first + plan.chunk])
            on_recording(planned, filled)
            yield filled
        shards.commit()


class _ShardRun:
    """The shards of a unit, written one after the other."""

    def __init__(self, plan: Plan, unit: Unit, split_dir: Path) -> None:
        self._chunk = plan.chunk
        self._first = unit.first_shard
        self._writers = [ShardWriter(shard_path(split_dir, unit.first_shard + number)) for number in range(unit.shards)]

    def add(self, sample: int, samples: NDArray[np.int16]) -> None:
        shard, chunk = divmod(sample // self._chunk, CHUNKS_A_SHARD)
        if samples.shape[1] < self._chunk:
            samples = np.pad(samples, ((0, 0), (0, self._chunk - samples.shape[1])))
        self._writers[shard - self._first].add(chunk, samples)

    def commit(self) -> None:
        for writer in self._writers:
            writer.commit()

    def __enter__(self) -> _ShardRun:
        return self

    def __exit__(self, *error: object) -> None:
        for writer in self._writers:
            writer.__exit__(None, None, None)


def _filled(plan: Plan, index: int, root: Path) -> tuple[Filled, NDArray[np.int16] | None]:
    """A recording's fixed-point signal [channel, sample], and what there is to say about it."""
    planned = plan.recordings[index]
    try:
        with open_edf(root / planned.source) as edf:
            found = prepare(edf, plan.chain)
            repairs = tuple(str(issue) for issue in edf.issues)
            _check_length(edf, found, planned)
        status, events, remarks = _labels(plan, planned, root)
    except (SeizurekitError, OSError) as error:
        nothing = tuple(0.0 for _ in plan.chain.channels)
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
    return filled, quantize(found.signal, plan.step)


def _check_length(edf: EdfFile, found: Preprocessed, planned: PlannedRecording) -> None:
    if found.signal.shape[1] != planned.samples:
        raise SeizurekitError(
            f"{edf.path}: found {found.signal.shape[1]} samples, wanted the {planned.samples} of its header: "
            "the file changed while the store was built"
        )


def _labels(
    plan: Plan, planned: PlannedRecording, root: Path
) -> tuple[str, tuple[tuple[float, float, str, float], ...], tuple[str, ...]]:
    if not planned.annotations:
        return UNLABELLED, (), ()
    duration = planned.samples / plan.chain.sampling_rate
    annotations = read_annotations(root / planned.annotations).clipped(duration)
    events = tuple((e.start, e.stop, e.label, e.confidence) for e in annotations.seizures())
    return OK, events, annotations.messages
