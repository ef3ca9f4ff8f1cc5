"""Scoring a trained detector on whole recordings of a split, and what is written about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seizurekit.atomic import write_whole
from seizurekit.cache.store import open_cache
from seizurekit.detection.events import detect_events
from seizurekit.detection.export import Detection, write_detection
from seizurekit.detection.report import ReportPage, write_report
from seizurekit.errors import CacheError, CorpusError
from seizurekit.evaluation.detector_file import Checkpoint
from seizurekit.evaluation.recordings import Recording, bounds, cached_recordings, corpus_recordings, probability_of
from seizurekit.json_files import without_nan
from seizurekit.recordings.annotations import Event
from seizurekit.recordings.corpus import find_recordings
from seizurekit.scoring.curves import Curve, CurveBuilder
from seizurekit.scoring.overlap import Score, score_by_overlap
from seizurekit.scoring.plot import write_curve
from seizurekit.signal.chain import Chain
from seizurekit.version import __version__

SCORER = f"seizurekit {__version__}, events by any overlap"
CURVE_RATES = (1.0, 5.0, 10.0, 24.0)
"""False alarms per 24 h at which the sensitivity is reported."""


@dataclass(frozen=True)
class RecordingResult:
    """One recording's length in seconds, its detected events, and its score; None where nobody annotated it."""

    id: str
    duration: float
    events: tuple[Event, ...]
    score: Score | None


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found and wrote.

    Attributes:
        results: one a recording.
        score: of the annotated recordings together, at the checkpoint's threshold; None where none is annotated.
        curve: of the same over all thresholds; None likewise.
        failed: recordings that could not be read, each with the reason.
        files: what was written: metrics, events, report, and the curve if there is one.
    """

    results: tuple[RecordingResult, ...]
    score: Score | None
    curve: Curve | None
    failed: tuple[str, ...]
    files: tuple[Path, ...]


def evaluate_cache(checkpoint: Checkpoint, cache_dir: str, split: str, out: Path) -> Evaluation:
    """Evaluates on a split of a store and writes the results into the folder `out`.

    Raises:
        CacheError: no such store or split, one of another chain, or one without recordings.
    """
    recordings = cached_recordings(open_cache(cache_dir, split=split, chain=Chain()))
    results, curve, page = _evaluated(checkpoint, recordings)
    if page is None:
        raise CacheError(f"{cache_dir}: split {split}: found no recording with a signal, wanted one or more")
    return _written(checkpoint, split, out, results, curve, page, ())


def evaluate_corpus(checkpoint: Checkpoint, data_dir: str, split: str, out: Path) -> Evaluation:
    """Evaluates on a split of a folder of EDF files, preprocessed one by one; else as `evaluate_cache`.

    Raises:
        CorpusError: no such folder or split, or none of its recordings can be read.
    """
    failed: list[str] = []
    files = find_recordings(data_dir, split).recordings
    recordings = corpus_recordings(files, lambda file, error: failed.append(f"{file.id}: {error}"))
    results, curve, page = _evaluated(checkpoint, recordings)
    if page is None:
        raise CorpusError(
            f"{data_dir}: split {split}: none of {len(files)} recordings can be read; the first: {failed[0]}"
        )
    return _written(checkpoint, split, out, results, curve, page, failed)


def _evaluated(
    checkpoint: Checkpoint, recordings: Iterable[Recording]
) -> tuple[list[RecordingResult], Curve | None, ReportPage | None]:
    """The results, the curve over those annotated, and the recording most worth a page; one is held at a time."""
    rate, config, threshold = Chain().sampling_rate, checkpoint.config, checkpoint.threshold
    results: list[RecordingResult] = []
    curve = CurveBuilder(config.detection)
    page, interest = None, -1
    for recording in recordings:
        probability = probability_of(checkpoint.model, recording, config)
        events = detect_events(probability, rate, threshold, config.detection)
        duration, score = len(probability) / rate, None
        if recording.annotated is not None:
            curve.add(probability, bounds(recording.annotated), rate)
            score = score_by_overlap(bounds(recording.annotated), bounds(events), duration)
        results.append(RecordingResult(recording.id, duration, events, score))
        if _interest(score, events) > interest:
            interest = _interest(score, events)
            page = ReportPage(recording.id, recording.signal, rate, probability, threshold, recording.annotated, events)
    annotated = any(result.score is not None for result in results)
    return results, curve.curve() if annotated else None, page


def _interest(score: Score | None, events: Sequence[Event]) -> int:
    """Found seizures are most worth showing, then those missed, then whatever was detected."""
    if score is not None and score.tp + score.fn:
        return 3 if score.tp else 2
    return 1 if events else 0


def _written(
    checkpoint: Checkpoint,
    split: str,
    out: Path,
    results: Sequence[RecordingResult],
    curve: Curve | None,
    page: ReportPage,
    failed: Sequence[str],
) -> Evaluation:
    scores = [result.score for result in results if result.score is not None]
    score = sum(scores, Score()) if scores else None
    for result in results:
        events = Detection(result.id, result.duration, None, checkpoint.threshold, result.events)
        write_detection(out / "events" / f"{result.id}.csv_bi", events)
    files = [out / "metrics.json", out / "events", out / "report.png"]
    write_report(out / "report.png", page)
    if curve is not None and score is not None:
        write_curve(
            out / "curve.png", curve, (score.sensitivity, score.fa_per_24h), f"{checkpoint.config.name}, {split}"
        )
        files.append(out / "curve.png")
    evaluation = Evaluation(tuple(results), score, curve, tuple(failed), tuple(files))
    metrics = json.dumps(without_nan(_metrics(checkpoint, split, evaluation)), indent=2, allow_nan=False)
    write_whole(out / "metrics.json", (metrics + "\n").encode())
    return evaluation


def _metrics(checkpoint: Checkpoint, split: str, evaluation: Evaluation) -> dict[str, Any]:
    curve = evaluation.curve
    return {
        "scorer": SCORER,
        "name": checkpoint.config.name,
        "epoch": checkpoint.epoch,
        "split": split,
        "hours": sum(result.duration for result in evaluation.results) / 3600.0,
        "threshold": checkpoint.threshold,
        "score": _score_values(evaluation.score),
        "auroc": curve.auroc if curve else None,
        "sensitivity_at_fa_per_24h": {f"{fa:g}": curve.sensitivity_at(fa) for fa in CURVE_RATES} if curve else None,
        "curve": [
            {
                "threshold": float(threshold),
                "sensitivity": score.sensitivity,
                "fa_per_24h": score.fa_per_24h,
                "usable": bool(usable),
            }
            for threshold, score, usable in zip(curve.thresholds, curve.scores, curve.usable, strict=True)
        ]
        if curve
        else None,
        "recordings": [
            {"id": r.id, "duration": r.duration, "detected": len(r.events), "score": _score_values(r.score)}
            for r in evaluation.results
        ],
        "failed": list(evaluation.failed),
    }


def _score_values(score: Score | None) -> dict[str, Any] | None:
    """None, and not a number, where there were no annotations to score against."""
    if score is None:
        return None
    return {
        "tp": score.tp,
        "fp": score.fp,
        "fn": score.fn,
        "sensitivity": score.sensitivity,
        "precision": score.precision,
        "f1": score.f1,
        "fa_per_24h": score.fa_per_24h,
    }
