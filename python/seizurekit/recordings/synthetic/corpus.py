"""Writes a synthetic corpus: a folder in TUSZ's layout with a list of its files. An interrupted call can be resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from seizurekit.atomic import remove_leftovers, write_atomic
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
    """Contents of one split; unreadable files count only in `bytes`."""

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

    The same arguments give the same bytes, whatever the number of workers. If the folder already holds a corpus with
    these arguments, missing files are added and existing files are kept.

    Args:
        out: folder for ``train``, ``dev``, ``eval`` and the file list ``synthetic.json``.
        seed: random seed, 0 or above.
        train_patients: number of patients in ``train``.
        dev_patients: number of patients in ``dev``.
        eval_patients: number of patients in ``eval``.
        minutes: mean minutes of EEG per patient, over all recordings of the patient; 1 to 1440.
        broken: number of unreadable files in ``train``.
        workers: number of threads, each generating one recording at a time; None for one per core.
        progress: called with the number of finished recordings and of all recordings, after each one.

    Returns:
        One summary per split.

    Raises:
        ValueError: an argument is out of range.
        CorpusError: the folder holds other files, or a corpus with other arguments.
        OSError: a file cannot be written; complete files stay, and the same call resumes.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}, expected 1 or above")
    spec = CorpusSpec(seed, train_patients, dev_patients, eval_patients, float(minutes), broken)
    root, plans = Path(out), plan_corpus(spec)
    _prepare_folder(root, spec, plans)
    for path, content, _ in _broken_files(spec, plans):
        _write_once(root / path, content)
    _write_recordings(root, plans, workers or os.cpu_count() or 1, progress)
    return tuple(_summary(root, split, plans) for split in SPLITS)


def _prepare_folder(root: Path, spec: CorpusSpec, plans: tuple[RecordingPlan, ...]) -> None:
    """Creates the folder and its file list, or checks that both belong to this corpus."""
    listing = _file_list(spec, plans)
    if root.exists() and not root.is_dir():
        raise CorpusError(f"{root}: not a folder, expected an empty or a new folder")
    if root.is_dir() and any(root.iterdir()):
        _check_same(root, json.loads(listing)["made_from"])
    else:
        root.mkdir(parents=True, exist_ok=True)
    remove_leftovers(root)
    _write_once(root / SYNTHETIC_LIST, listing)


def _check_same(root: Path, expected: dict[str, object]) -> None:
    path = root / SYNTHETIC_LIST
    try:
        found = json.loads(path.read_text("utf-8"))["made_from"]
    except FileNotFoundError:
        raise CorpusError(f"{root}: folder is not empty, expected an empty or a new folder") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{path}: not the file list of a synthetic corpus, expected an empty folder") from error
    if found != expected:
        raise CorpusError(
            f"{root}: synthetic corpus was made from {json.dumps(found)}, expected {json.dumps(expected)}; "
            "choose another folder or remove this one"
        )


def _file_list(spec: CorpusSpec, plans: tuple[RecordingPlan, ...]) -> bytes:
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
    """Paths, contents and faults of the unreadable files, which follow the last recordings of the train patients."""
    last = {plan.patient.name: plan for plan in plans if plan.patient.split == "train"}
    names = tuple(last)
    for index in range(spec.broken):
        plan = last[names[index % len(names)]]
        token = plan.token + 1 + index // len(names)
        fault, content = unreadable(index)
        yield plan.path.with_name(f"{plan.stem[:-3]}{token:03d}.edf"), content, fault


def _write_recordings(
    root: Path, plans: tuple[RecordingPlan, ...], workers: int, progress: Callable[[int, int], None] | None
) -> None:
    longest_first = sorted(plans, key=lambda plan: plan.seconds * plan.session.rate, reverse=True)
    with ThreadPoolExecutor(workers) as pool:
        pending = {pool.submit(_write_recording, root, plan) for plan in longest_first}
        try:
            while pending:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                if progress is not None:
                    progress(len(plans) - len(pending), len(plans))
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
        write_atomic(path, content)


def _summary(root: Path, split: str, plans: tuple[RecordingPlan, ...]) -> SplitSummary:
    plans = tuple(plan for plan in plans if plan.patient.split == split)
    seizures = [seizure for plan in plans for seizure in plan.seizures]
    folder = root / split
    files = folder.rglob("*") if folder.is_dir() else ()
    return SplitSummary(
        split=split,
        patients=len({plan.patient.name for plan in plans}),
        recordings=len(plans),
        hours=sum(plan.seconds for plan in plans) / 3600.0,
        seizures=len(seizures),
        seizure_seconds=sum(seizure.stop - seizure.start for seizure in seizures),
        bytes=sum(file.stat().st_size for file in files if file.is_file()),
    )
