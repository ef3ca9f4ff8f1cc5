"""Writing a synthetic corpus: a folder in TUSZ's layout, resumed where it was left, with a list of what is in it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from seizurekit.atomic import remove_leftovers, write_whole
from seizurekit.errors import CorpusError
from seizurekit.recordings.annotations_write import write_csv_bi
from seizurekit.recordings.corpus import SYNTHETIC_LIST
from seizurekit.recordings.synthetic.labels import encode_csv, seizure_events
from seizurekit.recordings.synthetic.malformations import unreadable
from seizurekit.recordings.synthetic.plan import SPLITS, CorpusSpec, RecordingPlan, plan_corpus
from seizurekit.recordings.synthetic.recording import encode_recording

_VERSION = 1


@dataclass(frozen=True)
class SplitSummary:
    """What one split holds; broken files count as bytes only."""

    split: str
    patients: int
    recordings: int
    hours: float
    seizures: int
    seizure_seconds: float
    bytes: int


def write_synthetic_corpus(
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    train_patients: int = 40,
    dev_patients: int = 15,
    eval_patients: int = 6,
    minutes: float = 10.0,
    broken: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[SplitSummary, ...]:
    """Writes a synthetic EEG corpus with seizure annotations in TUSZ's layout.

    The same arguments give the same bytes, whatever the number of workers. A corpus of the same arguments that is
    already there, whole or in part, is completed; files that are there are left as they are.

    Args:
        out: folder that will hold ``train``, ``dev``, ``eval`` and ``synthetic.json``, the list of its files.
        seed: 0 or above.
        train_patients: patients of the split ``train``.
        dev_patients: patients of the split ``dev``.
        eval_patients: patients of the split ``eval``.
        minutes: mean minutes of EEG of a patient, over all of the patient's recordings; 1 to 1440.
        broken: unreadable files among the recordings of ``train``.
        workers: recordings made at a time, each in a thread; None for one a core.
        progress: called with the recordings done and the recordings in all, after each one.

    Returns:
        One summary a split.

    Raises:
        ValueError: an argument is out of its range.
        CorpusError: the folder holds something else, or a corpus of other arguments.
        OSError: the folder cannot be written; what is complete stays, and the same call goes on from there.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers: found {workers}, wanted 1 or above")
    spec = CorpusSpec(seed, train_patients, dev_patients, eval_patients, float(minutes), broken)
    root, plans = Path(out), plan_corpus(spec)
    _claim(root, spec, plans)
    for path, content, _ in _broken_files(spec, plans):
        _write_once(root / path, content)
    _write_recordings(root, plans, workers or os.cpu_count() or 1, progress)
    return tuple(_summary(root, split, plans) for split in SPLITS)


def _claim(root: Path, spec: CorpusSpec, plans: tuple[RecordingPlan, ...]) -> None:
    """Makes the folder this corpus's own, unless it is somebody else's."""
    listing = _listing(spec, plans)
    if root.exists() and not root.is_dir():
        raise CorpusError(f"{root}: found a file, wanted a folder to write a corpus into")
    if root.is_dir() and any(root.iterdir()):
        _check_same(root, json.loads(listing)["made_from"])
    else:
        root.mkdir(parents=True, exist_ok=True)
    remove_leftovers(root)
    _write_once(root / SYNTHETIC_LIST, listing)


def _check_same(root: Path, wanted: dict[str, object]) -> None:
    path = root / SYNTHETIC_LIST
    try:
        found = json.loads(path.read_text("utf-8"))["made_from"]
    except FileNotFoundError:
        raise CorpusError(f"{root}: found a folder that is not empty, wanted an empty one or a new name") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{path}: found no list of a synthetic corpus, wanted one or an empty folder") from error
    if found != wanted:
        raise CorpusError(
            f"{root}: found a synthetic corpus made from {json.dumps(found)}, wanted {json.dumps(wanted)}; "
            "name another folder or remove this one"
        )


def _listing(spec: CorpusSpec, plans: tuple[RecordingPlan, ...]) -> bytes:
    recordings = [
        {
            "path": str(plan.path),
            "seconds": plan.seconds,
            "seizures": len(plan.seizures),
            "malformation": plan.malformation,
        }
        for plan in plans
    ]
    broken = [{"path": str(path), "fault": fault} for path, _, fault in _broken_files(spec, plans)]
    made_from = {"version": _VERSION, **asdict(spec)}
    return (json.dumps({"made_from": made_from, "recordings": recordings, "broken": broken}, indent=1) + "\n").encode()


def _broken_files(spec: CorpusSpec, plans: tuple[RecordingPlan, ...]) -> Iterator[tuple[PurePosixPath, bytes, str]]:
    """Unreadable files: their paths, after the last recordings of patients of train in turn, contents and faults."""
    last = {plan.patient.name: plan for plan in plans if plan.patient.split == "train"}
    names = tuple(last)
    for number in range(spec.broken):
        beside = last[names[number % len(names)]]
        token = beside.number + 1 + number // len(names)
        fault, content = unreadable(number)
        yield beside.path.with_name(f"{beside.stem[:-3]}{token:03d}.edf"), content, fault


def _write_recordings(
    root: Path, plans: tuple[RecordingPlan, ...], workers: int, progress: Callable[[int, int], None] | None
) -> None:
    longest_first = sorted(plans, key=lambda plan: plan.seconds * plan.session.rate, reverse=True)
    with ThreadPoolExecutor(workers) as pool:
        waiting = {pool.submit(_write_recording, root, plan) for plan in longest_first}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                if progress is not None:
                    progress(len(plans) - len(waiting), len(plans))
        finally:
            pool.shutdown(cancel_futures=True)


def _write_recording(root: Path, plan: RecordingPlan) -> None:
    edf = root / plan.path
    if edf.exists():
        return
    _write_once(edf.with_suffix(".csv"), encode_csv(plan))
    labels = edf.with_suffix(".csv_bi")
    if not labels.exists():
        write_csv_bi(labels, seizure_events(plan), plan.seconds)
    _write_once(edf, encode_recording(plan))


def _write_once(path: Path, content: bytes) -> None:
    """Writes a file that is not there yet."""
    if not path.exists():
        write_whole(path, content)


def _summary(root: Path, split: str, plans: tuple[RecordingPlan, ...]) -> SplitSummary:
    mine = [plan for plan in plans if plan.patient.split == split]
    seizures = [seizure for plan in mine for seizure in plan.seizures]
    folder = root / split
    files = folder.rglob("*") if folder.is_dir() else ()
    return SplitSummary(
        split=split,
        patients=len({plan.patient.name for plan in mine}),
        recordings=len(mine),
        hours=sum(plan.seconds for plan in mine) / 3600.0,
        seizures=len(seizures),
        seizure_seconds=sum(seizure.stop - seizure.start for seizure in seizures),
        bytes=sum(file.stat().st_size for file in files if file.is_file()),
    )
